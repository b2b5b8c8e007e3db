// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives a denied program a second name by a hard link
 * stopped by: path_link: the old name must be readable and writable too
 * record: link
 * effect: runs
 */
ATTACK
{
	try(link(at("prog"), OWN "/hard"));
	return run(OWN "/hard");
}
