// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes the arguments of a program that rules look at longer than what is read of them
 * stopped by: bprm_check_security: what cannot be read is denied
 * record: exec-argv
 * effect: runs
 */
ATTACK
{
	static char filling[100000];
	char *arguments[] = { "tool", "open", filling, filling, 0 };

	memset(filling, 'x', world.denied ? sizeof(filling) - 1 : 100);
	execve("/srv/attack/allow/tool", arguments, environ);
	return outcome(-1);
}
