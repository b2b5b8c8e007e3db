// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes a path in another thread while it is opened
 * stopped by: file_open: it sees the file that was found
 * record: open-read
 * effect: reads
 */
ATTACK
{
	char shared[64], one[64] = OWN "/mine", other[64];
	struct flipping f = { shared, one, other, sizeof(shared), 0 };
	int refused = 0, code = REFUSED;
	pthread_t thread;

	write_file(one, "x", 1);
	snprintf(other, sizeof(other), "%s", at("secret"));
	memcpy(shared, one, sizeof(shared));
	thread = start_flipping(&f);
	for (int i = 0; code == REFUSED && goes_on(i, refused, !refused); i++) {
		int fd = open(shared, O_RDONLY);

		if (fd < 0)
			refused += errno == EPERM;
		else if (is_secret(fd))
			code = HAPPENED;
		close(fd);
	}
	f.stop = 1;
	pthread_join(thread, 0);
	return code == HAPPENED ? HAPPENED : refused ? REFUSED : BROKEN;
}
