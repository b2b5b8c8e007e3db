// SPDX-License-Identifier: Apache-2.0
/*
 * attack: renames the directory above a denied file, so that the file has another path
 * stopped by: path_rename: what holds protected names is not moved
 * record: rename
 * effect: changes
 */
ATTACK
{
	try(rename(at("dir"), OWN "/directory"));
	return leak_file(OWN "/directory/inner");
}
