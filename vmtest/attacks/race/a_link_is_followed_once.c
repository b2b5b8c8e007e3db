// SPDX-License-Identifier: Apache-2.0
/*
 * attack: swaps symbolic links in another thread while one of them is opened
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	write_file(OWN "/mine", "x", 1);
	must(symlink(OWN "/mine", OWN "/a"));
	must(symlink(at("secret"), OWN "/b"));
	return open_while_swapped(OWN "/a");
}
