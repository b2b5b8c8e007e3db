// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a program with the set-user-ID bit make it root
 * stopped by: bprm_creds_from_file
 * record: setuid
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	char *arguments[] = { "/usr/bin/su", "--version", 0 };

	be_silent();
	must(setresuid(65534, 65534, 65534));
	return outcome(execve(arguments[0], arguments, environ));
}
