// SPDX-License-Identifier: Apache-2.0
/*
 * attack: names a denied file by a path with dots and slashes that begins in an allowed directory
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(text("%s/../..//attack/./%s/secret", OWN, strrchr(world.root, '/') + 1));
}
