// SPDX-License-Identifier: Apache-2.0
/*
 * attack: stops somebody else's process
 * stopped by: task_kill
 * record: signal
 * effect: harms
 */
ATTACK
{
	return outcome(kill(target(), SIGSTOP));
}
