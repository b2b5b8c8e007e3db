// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes an argument in shared memory while the program is executed, so that another is judged than is used
 * stopped by: sched_process_exec: arguments are read again in the new program; a difference kills it
 * record: exec-argv
 * effect: runs
 */
ATTACK
{
	char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* What the rule denies the program `touch` by its copy's name is this one word. */
	char one[16] = "/srv/attack/own", other[16] = "/srv/attack/ran";
	struct flipping f = { shared, one, other, sizeof(one), 0 };
	const char *program = world.denied ? "/srv/attack/allow/dynamic" : "/usr/bin/touch";
	int refused = 0;
	pthread_t thread;

	memcpy(shared, one, sizeof(one));
	thread = start_flipping(&f);
	for (int i = 0; i < 40 && refused < 12; i++) {
		pid_t child = fork();

		if (child == 0) {
			char *arguments[] = { "x", shared, 0 };

			execve(program, arguments, environ);
			_exit(errno == EPERM ? REFUSED : BROKEN);
		}
		refused += outcome_of(child) != HAPPENED;
	}
	f.stop = 1;
	pthread_join(thread, 0);
	return access(RAN, F_OK) == 0 ? HAPPENED : refused ? REFUSED : BROKEN;
}
