// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects where it may, dissolves that by AF_UNSPEC, and connects the same socket elsewhere
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, "127.0.0.1", world.port);
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	must(connect(fd, &to.any, length));
	must(connect(fd, &none, sizeof(none)));
	length = make_address(&to, world.host4, world.port);
	try(connect(fd, &to.any, length));
	return outcome(send(fd, "x", 1, 0));
}
