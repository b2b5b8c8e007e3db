// SPDX-License-Identifier: Apache-2.0
/*
 * attack: enters the namespaces of another process (setns by pidfd)
 * stopped by: task storage
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int process = (int)must(syscall(SYS_pidfd_open, world.process, 0));

	must(setns(process, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP));
	return leak_file(at("secret"));
}
