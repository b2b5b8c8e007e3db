// SPDX-License-Identifier: Apache-2.0
/*
 * attack: hides a denied program behind a script that is the interpreter of a script
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	const char *line = text("#!%s\n", at("prog"));

	write_file(OWN "/inner", line, strlen(line));
	line = "#!" OWN "/inner\n";
	write_file(OWN "/outer", line, strlen(line));
	return run(OWN "/outer");
}
