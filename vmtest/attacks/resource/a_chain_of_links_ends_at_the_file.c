// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file through 39 symbolic links, as many as the kernel follows
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(symlink(at("secret"), OWN "/0"));
	for (int i = 1; i < 39; i++)
		must(symlink(text(OWN "/%d", i - 1), text(OWN "/%d", i)));
	return leak_file(OWN "/38");
}
