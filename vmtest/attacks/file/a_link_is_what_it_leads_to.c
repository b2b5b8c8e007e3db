// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file through a symbolic link
 * stopped by: file_open, on the file the kernel resolved
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(symlink(at("secret"), OWN "/link"));
	return leak_file(OWN "/link");
}
