// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives somebody else's process the least of the processor (sched_setscheduler)
 * stopped by: task_setscheduler
 * record: signal
 * effect: harms
 */
ATTACK
{
	struct sched_param none = { 0 };

	return outcome(sched_setscheduler(target(), SCHED_IDLE, &none));
}
