// SPDX-License-Identifier: Apache-2.0
/*
 * attack: copies a program into a memfd and executes that
 * stopped by: bprm_check_security: what has no name is `memfd`
 * record: exec
 * effect: runs
 * twin: permitted
 */
ATTACK
{
	char *arguments[] = { "x", 0 }, bytes[4096];
	int from = (int)must(open("/srv/attack/allow/prog", O_RDONLY));
	int memory = (int)must(syscall(SYS_memfd_create, "x", 1));

	must(write(memory, bytes, (size_t)must(read(from, bytes, sizeof(bytes)))));
	return outcome(syscall(SYS_execveat, memory, "", arguments, environ, AT_EMPTY_PATH));
}
