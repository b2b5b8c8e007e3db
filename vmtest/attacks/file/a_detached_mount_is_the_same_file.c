// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file in a detached copy of its mount (open_tree)
 * stopped by: file_open: what is written about its first name counts
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int tree = (int)must(syscall(SYS_open_tree, AT_FDCWD, at("dir"), 1 /* OPEN_TREE_CLONE */));

	return leak(openat(tree, "inner", O_RDONLY));
}
