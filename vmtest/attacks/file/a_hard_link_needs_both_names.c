// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a hard link to a denied file in an allowed directory
 * stopped by: path_link
 * record: link
 * effect: reads
 */
ATTACK
{
	try(link(at("secret"), OWN "/hard"));
	return leak_file(OWN "/hard");
}
