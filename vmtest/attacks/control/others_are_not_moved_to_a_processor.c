// SPDX-License-Identifier: Apache-2.0
/*
 * attack: binds somebody else's process to one processor (sched_setaffinity)
 * stopped by: task_setscheduler
 * record: signal
 * effect: harms
 */
ATTACK
{
	unsigned long first = 1;

	return outcome(syscall(SYS_sched_setaffinity, target(), sizeof(first), &first));
}
