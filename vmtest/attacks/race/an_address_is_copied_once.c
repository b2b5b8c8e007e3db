// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes an address in another thread while it is sent to
 * stopped by: socket_sendmsg: it sees the kernel's copy
 * record: send
 * effect: reaches
 */
ATTACK
{
	union address good, bad, shared;
	socklen_t length = make_address(&good, "127.0.0.1", world.port);
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0)), refused = 0;
	struct flipping f = { (char *)&shared, (char *)&good, (char *)&bad, sizeof(good), 0 };
	pthread_t thread;

	make_address(&bad, world.host4, world.port);
	shared = good;
	thread = start_flipping(&f);
	for (int i = 0; goes_on(i, refused, world.denied && !refused); i++)
		refused += sendto(fd, "x", 1, 0, &shared.any, length) < 0 && errno == EPERM;
	f.stop = 1;
	pthread_join(thread, 0);
	return refused ? REFUSED : HAPPENED;
}
