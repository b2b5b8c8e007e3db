// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a program with the set-user-ID bit read as root
 * stopped by: task storage: identity is no user id
 * record: open-read
 * effect: reads
 */
ATTACK
{
	char *arguments[] = { "/usr/bin/su", "-c", text("cat %s", at("secret")), 0 };

	return run_and_tell(arguments) ? REFUSED : HAPPENED;
}
