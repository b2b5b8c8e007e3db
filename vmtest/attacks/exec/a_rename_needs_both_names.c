// SPDX-License-Identifier: Apache-2.0
/*
 * attack: renames a denied program into an allowed directory
 * stopped by: path_rename
 * record: rename
 * effect: runs
 */
ATTACK
{
	try(rename(at("prog"), OWN "/renamed"));
	return run(OWN "/renamed");
}
