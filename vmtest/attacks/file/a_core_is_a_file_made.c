// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the kernel write its memory into the denied directory by crashing there
 * stopped by: path_mknod, file_open: the kernel opens it as the process
 * record: create
 * effect: changes
 */
ATTACK
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int status;
	pid_t child;

	must(chdir(world.root));
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &all);
		prctl(PR_SET_DUMPABLE, 1);
		abort();
	}
	must(waitpid(child, &status, 0));
	return WCOREDUMP(status) ? HAPPENED : REFUSED;
}
