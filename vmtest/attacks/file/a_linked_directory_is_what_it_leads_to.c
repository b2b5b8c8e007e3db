// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file through a symbolic link to its directory
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(symlink(at("dir"), OWN "/directory"));
	return leak_file(OWN "/directory/inner");
}
