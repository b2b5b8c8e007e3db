// SPDX-License-Identifier: Apache-2.0
/*
 * attack: renames the parent of the denied directory, where writing is otherwise allowed
 * stopped by: path_rename: it is guarded
 * record: rename
 * effect: returns
 */
ATTACK
{
	if (!world.denied)
		must(mkdir(OWN "/attack", 0755));
	return outcome(rename(world.denied ? "/srv/attack" : OWN "/attack", world.denied ? "/srv/attack-moved" : OWN "/elsewhere"));
}
