// SPDX-License-Identifier: Apache-2.0
/*
 * attack: renames a file of its own over a denied one
 * stopped by: path_rename
 * record: rename
 * effect: changes
 */
ATTACK
{
	write_file(OWN "/mine", "x", 1);
	return outcome(rename(OWN "/mine", at("secret")));
}
