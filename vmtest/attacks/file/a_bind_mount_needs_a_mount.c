// SPDX-License-Identifier: Apache-2.0
/*
 * attack: binds the denied directory to an allowed one
 * stopped by: sb_mount: nobody who is governed mounts
 * record: mount
 * effect: reads
 * twin: ungoverned
 */
ATTACK
{
	own_mounts();
	must(mkdir(OWN "/bound", 0755));
	try(mount(at("dir"), OWN "/bound", 0, MS_BIND, 0));
	return leak_file(OWN "/bound/inner");
}
