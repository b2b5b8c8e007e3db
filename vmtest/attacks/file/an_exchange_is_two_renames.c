// SPDX-License-Identifier: Apache-2.0
/*
 * attack: exchanges a denied file with one of its own (renameat2)
 * stopped by: path_rename
 * record: rename
 * effect: changes
 */
ATTACK
{
	write_file(OWN "/mine", "x", 1);
	try(renameat2(AT_FDCWD, OWN "/mine", AT_FDCWD, at("secret"), RENAME_EXCHANGE));
	return leak_file(OWN "/mine");
}
