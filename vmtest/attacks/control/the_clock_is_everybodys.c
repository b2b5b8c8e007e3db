// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sets the clock of the machine
 * not stopped: root only; no hook of ours yet. Bindings and deadlines go by the clock since boot, which nobody sets
 * effect: returns
 */
ATTACK
{
	struct timespec now;

	must(clock_gettime(CLOCK_REALTIME, &now));
	return outcome(clock_settime(CLOCK_REALTIME, &now));
}
