// SPDX-License-Identifier: Apache-2.0
/*
 * attack: kills all processes it can (kill -1)
 * stopped by: task_kill, for each
 * record: signal
 * effect: harms
 */
ATTACK
{
	pid_t child = (pid_t)must(fork());

	/* All of our own may be killed, so what came of it is told by a group that is left out: ourselves. */
	if (child == 0)
		for (;;)
			pause();
	if (!world.denied)
		return outcome(kill(child, SIGKILL));
	errno = 0;
	for (pid_t pid = world.process - 3; pid <= world.process; pid++)
		if (pid > 1 && kill(pid, SIGKILL) == 0)
			return HAPPENED;
	return REFUSED;
}
