// SPDX-License-Identifier: Apache-2.0
/*
 * attack: swaps a directory and a link to a denied one in another thread while a file below is opened
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(mkdir(OWN "/a", 0700));
	write_file(OWN "/a/inner", "x", 1);
	must(symlink(at("dir"), OWN "/b"));
	return open_while_swapped(OWN "/a/inner");
}
