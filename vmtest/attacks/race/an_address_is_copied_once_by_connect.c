// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes an address in another thread while it is connected to
 * stopped by: socket_connect: it sees the kernel's copy
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address good, bad, shared;
	socklen_t length = make_address(&good, "127.0.0.1", world.port);
	struct flipping f = { (char *)&shared, (char *)&good, (char *)&bad, sizeof(good), 0 };
	int refused = 0;
	pthread_t thread;

	make_address(&bad, world.host4, world.port);
	shared = good;
	thread = start_flipping(&f);
	for (int i = 0; goes_on(i, refused, world.denied && !refused); i++) {
		int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0));

		refused += connect(fd, &shared.any, length) < 0 && errno == EPERM;
		close(fd);
	}
	f.stop = 1;
	pthread_join(thread, 0);
	return refused ? REFUSED : HAPPENED;
}
