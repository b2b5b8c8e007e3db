// SPDX-License-Identifier: Apache-2.0
/*
 * attack: signals somebody else's process through a pidfd
 * stopped by: task_kill
 * record: signal
 * effect: harms
 */
ATTACK
{
	int process = (int)must(syscall(SYS_pidfd_open, target(), 0));

	return outcome(syscall(SYS_pidfd_send_signal, process, SIGKILL, 0, 0));
}
