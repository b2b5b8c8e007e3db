// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes another directory the root of the mount namespace (pivot_root)
 * stopped by: sb_pivotroot
 * record: mount
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	own_mounts();
	if (!world.denied) {
		must(mkdir(OWN "/root", 0700));
		must(mount("none", OWN "/root", "tmpfs", 0, 0));
		must(chdir(OWN "/root"));
	}
	return outcome(syscall(SYS_pivot_root, ".", "."));
}
