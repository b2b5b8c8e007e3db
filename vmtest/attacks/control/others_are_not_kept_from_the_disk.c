// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives somebody else's process the least of the disk (ioprio_set)
 * stopped by: task_setioprio
 * record: signal
 * effect: returns
 */
ATTACK
{
	return outcome(syscall(SYS_ioprio_set, 1, target(), 3 << 13 /* idle */));
}
