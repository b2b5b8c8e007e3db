// SPDX-License-Identifier: Apache-2.0
/*
 * attack: execveat with an empty path on a descriptor of a denied program
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "x", 0 };
	int fd = (int)must(open(at("prog"), O_RDONLY | O_CLOEXEC));

	return outcome(syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH));
}
