// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a program with the set-group-ID bit give it another group
 * stopped by: bprm_creds_from_file
 * record: setuid
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	char *arguments[] = { "/usr/bin/chage", "--help", 0 };

	be_silent();
	must(setresgid(65534, 65534, 65534));
	must(setresuid(65534, 65534, 65534));
	return outcome(execve(arguments[0], arguments, environ));
}
