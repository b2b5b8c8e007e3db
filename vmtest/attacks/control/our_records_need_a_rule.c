// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens the audit log to write it
 * stopped by: file_open: the log's directory is not allowed to be written
 * record: open-write
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	glob_t found;

	if (glob("/var/lib/aa-sensord/audit/*", 0, 0, &found))
		return BROKEN;
	return outcome(open(found.gl_pathv[0], O_WRONLY | O_APPEND));
}
