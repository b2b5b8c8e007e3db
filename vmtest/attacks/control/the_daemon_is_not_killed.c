// SPDX-License-Identifier: Apache-2.0
/*
 * attack: kills the sensor
 * stopped by: task_kill
 * record: signal
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	/* The twin asks only whether it might. */
	return outcome(kill(process_called("aa-sensord"), world.denied ? SIGKILL : 0));
}
