// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the kernel append a record of each process to the denied file (acct)
 * stopped by: capable: CAP_SYS_PACCT; where root may, file_open
 * record: kernel
 * effect: changes
 * twin: ungoverned
 */
ATTACK
{
	pid_t child;

	try(syscall(SYS_acct, at("secret")));
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, 0, 0);
	return outcome(syscall(SYS_acct, 0));
}
