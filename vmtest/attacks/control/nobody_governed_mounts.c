// SPDX-License-Identifier: Apache-2.0
/*
 * attack: covers a directory with an empty file system
 * stopped by: sb_mount
 * record: mount
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	own_mounts();
	must(mkdir(OWN "/here", 0700));
	return outcome(mount("none", OWN "/here", "tmpfs", 0, 0));
}
