// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes the path of a program in another thread while it is executed
 * stopped by: bprm_check_security: it sees the file that was opened
 * record: exec
 * effect: runs
 */
ATTACK
{
	char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char one[64] = "/srv/attack/none", other[64];
	struct flipping f = { shared, one, other, sizeof(one), 0 };
	int refused = 0;
	pthread_t thread;

	snprintf(other, sizeof(other), "%s", at("prog"));
	memcpy(shared, one, sizeof(one));
	thread = start_flipping(&f);
	for (int i = 0; i < 80 && refused < 15; i++) {
		pid_t child = fork();

		if (child == 0) {
			char *arguments[] = { "x", 0 };

			execve(shared, arguments, environ);
			_exit(errno == EPERM ? REFUSED : BROKEN);
		}
		refused += outcome_of(child) == REFUSED;
	}
	f.stop = 1;
	pthread_join(thread, 0);
	return access(RAN, F_OK) == 0 ? HAPPENED : refused ? REFUSED : BROKEN;
}
