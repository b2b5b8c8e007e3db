// SPDX-License-Identifier: Apache-2.0
/*
 * attack: renames a denied file into an allowed directory
 * stopped by: path_rename
 * record: rename
 * effect: changes
 */
ATTACK
{
	try(rename(at("secret"), OWN "/renamed"));
	return leak_file(OWN "/renamed");
}
