// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied program by a path with dots from another working directory
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	must(chdir(OWN));
	return run(text("./..//.././attack/%s/./prog", strrchr(world.root, '/') + 1));
}
