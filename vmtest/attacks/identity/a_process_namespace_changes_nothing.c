// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads as process 1 of a process namespace of its own
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
ATTACK
{
	pid_t child;

	must(unshare(CLONE_NEWPID));
	child = fork();
	if (child == 0)
		_exit(getpid() == 1 ? leak_file(at("secret")) : BROKEN);
	return outcome_of(child);
}
