// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a program with the set-user-ID bit read as root
 * stopped by: task storage: identity is no user id
 * record: open-read
 * effect: reads
 */
ATTACK
{
	char *arguments[] = { OWN "/cat", (char *)at("secret"), 0 };

	copy_file("/usr/bin/cat", arguments[0]);
	must(chmod(arguments[0], 04755));
	return run_and_tell(arguments) ? REFUSED : HAPPENED;
}
