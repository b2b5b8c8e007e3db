// SPDX-License-Identifier: Apache-2.0
/*
 * attack: restarts the machine
 * stopped by: capable: CAP_SYS_BOOT
 * record: kernel
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	/* Not with the words it takes: who may restart is told that they are wrong. */
	long result = syscall(SYS_reboot, 0, 0, 0, 0);

	return result < 0 && errno == EINVAL ? HAPPENED : outcome(result);
}
