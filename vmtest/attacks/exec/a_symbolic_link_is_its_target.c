// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied program through a symbolic link in an allowed directory
 * stopped by: bprm_check_security, on the file the kernel resolved
 * record: exec
 * effect: runs
 */
ATTACK
{
	must(symlink(at("prog"), OWN "/link"));
	return run(OWN "/link");
}
