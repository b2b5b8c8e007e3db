// SPDX-License-Identifier: Apache-2.0
/*
 * attack: calls a program by a link with the name that a rule speaks of, with the arguments it denies
 * stopped by: bprm_check_security: denials also match the name it is called by
 * record: exec-argv
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "x", world.denied ? "secret" : "open", 0 };

	must(symlink("/srv/attack/allow/prog", OWN "/tool"));
	execve(OWN "/tool", arguments, environ);
	return outcome(-1);
}
