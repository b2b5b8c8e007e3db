// SPDX-License-Identifier: Apache-2.0
/*
 * attack: becomes another program, which reads
 * stopped by: task storage: it survives exec
 * record: open-read
 * effect: reads
 */
ATTACK
{
	char *arguments[] = { "/usr/bin/cat", (char *)at("secret"), 0 };

	return run_and_tell(arguments) ? REFUSED : HAPPENED;
}
