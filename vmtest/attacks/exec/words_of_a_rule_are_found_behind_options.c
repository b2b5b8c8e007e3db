// SPDX-License-Identifier: Apache-2.0
/*
 * attack: puts options between a program and the word that a rule denies
 * stopped by: bprm_check_security: a stricter rule passes over options
 * record: exec-argv
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "tool", "-v", "--color=always", world.denied ? "secret" : "open", "x", 0 };

	execve("/srv/attack/allow/tool", arguments, environ);
	return outcome(-1);
}
