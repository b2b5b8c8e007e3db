// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes a path while a worker of an io_uring opens it
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	char shared[64], one[64] = OWN "/mine", other[64];
	struct flipping f = { shared, one, other, sizeof(shared), 0 };
	struct io_uring_sqe entry = { .opcode = IORING_OP_OPENAT, .flags = IOSQE_ASYNC, .fd = AT_FDCWD, .addr = (uintptr_t)shared };
	int refused = 0, code = REFUSED;
	struct ring ring;
	pthread_t thread;

	write_file(one, "x", 1);
	snprintf(other, sizeof(other), "%s", at("secret"));
	memcpy(shared, one, sizeof(shared));
	open_ring(&ring, 0);
	thread = start_flipping(&f);
	for (int i = 0; code == REFUSED && goes_on(i, refused, !refused); i++) {
		int fd = (int)ring_do(&ring, &entry);

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
