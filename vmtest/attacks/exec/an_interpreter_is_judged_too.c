// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes an allowed script whose interpreter is denied
 * stopped by: bprm_check_security, once for each level
 * record: exec
 * effect: runs
 */
ATTACK
{
	const char *line = text("#!%s\n", at("prog"));

	write_file(OWN "/script", line, strlen(line));
	return run(OWN "/script");
}
