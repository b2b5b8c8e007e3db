// SPDX-License-Identifier: Apache-2.0
/*
 * attack: lowers the priority of somebody else's process (setpriority)
 * stopped by: task_setnice
 * record: signal
 * effect: harms
 */
ATTACK
{
	return outcome(setpriority(PRIO_PROCESS, (id_t)target(), 19));
}
