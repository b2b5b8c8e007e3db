// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a shell run the denied program
 * stopped by: bprm_check_security: children inherit
 * record: exec
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "/bin/sh", "-c", text("exec %s", at("prog")), 0 };
	int code = run_in_child(arguments);

	return code == 126 ? REFUSED : code;
}
