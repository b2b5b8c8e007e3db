// SPDX-License-Identifier: Apache-2.0
/*
 * attack: execveat on an O_PATH descriptor, which was opened without a check
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "x", 0 };
	int fd = (int)must(open(at("prog"), O_PATH | O_CLOEXEC));

	return outcome(syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH));
}
