// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives a program with denied arguments another argv[0]
 * stopped by: bprm_check_security: the file's name counts
 * record: exec-argv
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "harmless", world.denied ? "secret" : "open", 0 };

	execve("/srv/attack/allow/tool", arguments, environ);
	return outcome(-1);
}
