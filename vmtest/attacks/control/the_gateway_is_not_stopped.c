// SPDX-License-Identifier: Apache-2.0
/*
 * attack: stops the gateway, so that nobody records
 * stopped by: task_kill
 * record: signal
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(kill(process_called("aa-gateway"), world.denied ? SIGSTOP : 0));
}
