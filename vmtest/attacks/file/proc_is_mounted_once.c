// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gets a proc of its own by the new mount calls, where files have other paths than rules speak of
 * stopped by: sb_set_mnt_opts
 * record: mount
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	int context = (int)try(syscall(SYS_fsopen, "proc", 0)), tree;

	try(syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0));
	tree = (int)must(syscall(SYS_fsmount, context, 0, 0));
	return outcome(openat(tree, "1/environ", O_RDONLY));
}
