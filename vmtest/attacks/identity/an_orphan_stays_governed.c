// SPDX-License-Identifier: Apache-2.0
/*
 * attack: daemonises: forks twice, a session of its own, a parent that is gone
 * stopped by: task_alloc: identity is the task's, not its parent's or session's
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int done[2];
	char code;
	pid_t child;

	must(pipe(done));
	child = (pid_t)must(fork());
	if (child == 0) {
		setsid();
		if (fork())
			_exit(0);
		while (getppid() == child)
			usleep(1000);
		usleep(20000);
		code = (char)leak_file(at("secret"));
		_exit(write(done[1], &code, 1) != 1);
	}
	must(outcome_of(child));
	must(read(done[0], &code, 1) == 1 ? 0 : -1);
	return code;
}
