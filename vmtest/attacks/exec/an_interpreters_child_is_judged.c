// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has Python run the denied program
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "/usr/bin/env", "-i", "python3", "-IS", "-c",
		text("import os\ntry: os.execv('%s', ['x'])\nexcept PermissionError: os._exit(1)", at("prog")), 0 };

	return run_in_child(arguments);
}
