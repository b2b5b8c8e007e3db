// SPDX-License-Identifier: Apache-2.0
/*
 * attack: takes an open file of somebody else (pidfd_getfd)
 * stopped by: ptrace_access_check
 * record: ptrace
 * effect: returns
 */
ATTACK
{
	int process = (int)must(syscall(SYS_pidfd_open, target(), 0));

	return outcome(syscall(SYS_pidfd_getfd, process, 1, 0));
}
