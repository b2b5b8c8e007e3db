// SPDX-License-Identifier: Apache-2.0
/*
 * attack: mounts the disk below the denied directory a second time by the new mount calls, detached
 * stopped by: sb_set_mnt_opts
 * record: mount
 * effect: reads
 * twin: ungoverned
 */
ATTACK
{
	int context = (int)try(syscall(SYS_fsopen, "ext4", 0)), tree;

	must(syscall(SYS_fsconfig, context, 1 /* FSCONFIG_SET_STRING */, "source", "/dev/vda", 0));
	try(syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0));
	tree = (int)must(syscall(SYS_fsmount, context, 0, 0));
	return leak(openat(tree, text("./%s", at("secret")), O_RDONLY));
}
