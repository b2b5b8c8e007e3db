// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a mounted file system read-only for all by the new mount calls (fspick)
 * stopped by: sb_remount
 * record: mount
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	int context = (int)try(syscall(SYS_fspick, AT_FDCWD, "/dev/shm", 0));

	/* As it is: nothing is changed, and it might have been. */
	return outcome(syscall(SYS_fsconfig, context, 7 /* FSCONFIG_CMD_RECONFIGURE */, 0, 0, 0));
}
