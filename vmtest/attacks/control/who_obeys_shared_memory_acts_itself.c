// SPDX-License-Identifier: Apache-2.0
/*
 * attack: writes a request into memory it shares with an ungoverned helper, which reads the denied file and answers there
 * not stopped: the helper acts, and nobody governs it. Deny the file or socket that leads to such helpers, or govern them too.
 * effect: reads
 */
ATTACK
{
	int fd = (int)must(open(OWN "/shared", O_RDWR | O_CREAT, 0600));
	volatile char *memory;

	must(ftruncate(fd, 4096));
	memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(memory == MAP_FAILED ? -1 : 0);
	snprintf((char *)memory + 1, 1000, "%s", at("secret"));
	memory[0] = 1;
	/* The helper maps it as well, and answers in the second half. */
	for (int i = 0; i < 500 && memory[0] == 1; i++)
		usleep(10000);
	snprintf(said, SAID, "%s", (const char *)memory + 2048);
	return memory[0] == 2 ? HAPPENED : BROKEN;
}
