// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes 60 threads that live at once, each of which reads
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
static pthread_barrier_t all_there;

static void *read_with_all(void *path)
{
	pthread_barrier_wait(&all_there);
	return (void *)(long)leak_file(path);
}

ATTACK
{
	pthread_t threads[60];
	int allowed = 0;

	pthread_barrier_init(&all_there, 0, 60);
	for (int i = 0; i < 60; i++)
		must(pthread_create(&threads[i], 0, read_with_all, (void *)at("secret")) ? -1 : 0);
	for (int i = 0; i < 60; i++) {
		void *code;

		pthread_join(threads[i], &code);
		if ((long)code > REFUSED)
			return BROKEN;
		allowed += (long)code == HAPPENED;
	}
	return allowed ? HAPPENED : REFUSED;
}
