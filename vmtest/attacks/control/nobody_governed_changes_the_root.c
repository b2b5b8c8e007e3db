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
	must(unshare(CLONE_NEWNS));
	if (!world.denied) {
		must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
		must(mkdir(OWN "/root", 0700));
		must(mount("none", OWN "/root", "tmpfs", 0, 0));
		must(chdir(OWN "/root"));
	}
	return outcome(syscall(SYS_pivot_root, ".", "."));
}
