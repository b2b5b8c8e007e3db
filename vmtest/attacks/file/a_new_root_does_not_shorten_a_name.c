// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file after chroot into its directory
 * stopped by: file_open: paths are read from the root of the mount tree
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(chroot(world.root));
	return leak_file("/secret");
}
