// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens an allowed file until its verdict is remembered, and then a denied one that took its name
 * stopped by: file_open: a remembered verdict falls with the name
 * record: open-read
 * effect: reads
 */
ATTACK
{
	write_file(OWN "/name", "x", 1);
	for (int i = 0; i < 3; i++)
		close((int)must(open(OWN "/name", O_RDONLY)));
	must(unlink(OWN "/name"));
	must(symlink(at("secret"), OWN "/name"));
	return leak_file(OWN "/name");
}
