// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied program after chroot into its directory
 * stopped by: bprm_check_security: paths are read from the root of the mount tree
 * record: exec
 * effect: runs
 */
ATTACK
{
	/* The program makes /srv/attack/ran, which must be there in the new root as well. */
	must(chroot(world.denied ? world.root : "/srv/.."));
	return run(world.denied ? "/prog" : at("prog"));
}
