// SPDX-License-Identifier: Apache-2.0
/*
 * attack: lays an overlay over the denied directory by the new mount calls, without attaching it anywhere
 * stopped by: sb_set_mnt_opts: nobody who is governed makes a file system
 * record: mount
 * effect: reads
 * twin: ungoverned
 */
ATTACK
{
	int context = (int)try(syscall(SYS_fsopen, "overlay", 0)), tree;

	must(mkdir(OWN "/empty", 0755));
	must(syscall(SYS_fsconfig, context, 1 /* FSCONFIG_SET_STRING */, "lowerdir", text("%s:%s/empty", at("dir"), OWN), 0));
	try(syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0));
	tree = (int)must(syscall(SYS_fsmount, context, 0, 0));
	return leak(openat(tree, "inner", O_RDONLY));
}
