// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sets the clock of the machine
 * stopped by: capable: CAP_SYS_TIME
 * record: kernel
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct timespec now;

	must(clock_gettime(CLOCK_REALTIME, &now));
	return outcome(clock_settime(CLOCK_REALTIME, &now));
}
