// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads in a thread
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
static void *read_in_thread(void *path)
{
	return (void *)(long)leak_file(path);
}

ATTACK
{
	pthread_t thread;
	void *code;

	if (pthread_create(&thread, 0, read_in_thread, (void *)at("secret")) || pthread_join(thread, &code))
		return BROKEN;
	return (int)(long)code;
}
