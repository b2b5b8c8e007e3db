// SPDX-License-Identifier: Apache-2.0
/*
 * attack: puts another file under a descriptor's number while that is opened again through /proc/self/fd
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
static int harmless_file, secret_file;
static volatile int exchanged_enough;

static void *exchange_descriptors(void *unused)
{
	while (!exchanged_enough) {
		dup2(harmless_file, 100);
		dup2(secret_file, 100);
	}
	return unused;
}

ATTACK
{
	int refused = 0, code = REFUSED;
	pthread_t thread;

	write_file(OWN "/mine", "x", 1);
	harmless_file = (int)must(open(OWN "/mine", O_PATH));
	secret_file = (int)must(open(at("secret"), O_PATH));
	must(dup2(harmless_file, 100));
	must(pthread_create(&thread, 0, exchange_descriptors, 0) ? -1 : 0);
	for (int i = 0; code == REFUSED && goes_on(i, refused, !refused); i++) {
		int fd = open("/proc/self/fd/100", O_RDONLY);

		if (fd < 0)
			refused += errno == EPERM;
		else if (is_secret(fd))
			code = HAPPENED;
		close(fd);
	}
	exchanged_enough = 1;
	pthread_join(thread, 0);
	return code == HAPPENED ? HAPPENED : refused ? REFUSED : BROKEN;
}
