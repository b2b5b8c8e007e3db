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
	own_mounts();
	return outcome(umount2("/dev/shm", MNT_DETACH));
}
