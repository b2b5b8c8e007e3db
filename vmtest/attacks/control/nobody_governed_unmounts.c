// SPDX-License-Identifier: Apache-2.0
/*
 * attack: unmounts what covers a directory
 * stopped by: sb_umount
 * record: mount
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	must(unshare(CLONE_NEWNS));
	if (!world.denied)
		must(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
	return outcome(umount2("/dev/shm", MNT_DETACH));
}
