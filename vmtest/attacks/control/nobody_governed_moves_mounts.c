// SPDX-License-Identifier: Apache-2.0
/*
 * attack: attaches a copy of a mount elsewhere (open_tree, move_mount)
 * stopped by: move_mount
 * record: mount
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	int tree;

	own_mounts();
	must(mkdir(OWN "/here", 0700));
	tree = (int)must(syscall(SYS_open_tree, AT_FDCWD, "/dev/shm", 1));
	return outcome(syscall(SYS_move_mount, tree, "", AT_FDCWD, OWN "/here", 4));
}
