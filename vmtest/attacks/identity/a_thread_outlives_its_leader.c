// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads in a thread after the first thread of the process has ended
 * stopped by: task_alloc: each thread has the identity of its own
 * record: open-read
 * effect: reads
 */
static void *read_when_alone(void *path)
{
	usleep(50000);
	_exit(leak_file(path));
}

ATTACK
{
	pid_t child = fork();
	pthread_t thread;

	if (child)
		return outcome_of(child);
	if (pthread_create(&thread, 0, read_when_alone, (void *)at("secret")))
		_exit(BROKEN);
	syscall(SYS_exit, BROKEN);
	return BROKEN;
}
