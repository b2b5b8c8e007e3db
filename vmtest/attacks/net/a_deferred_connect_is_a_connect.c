// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects with TCP_FASTOPEN_CONNECT, which leaves the connecting to the first write
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);
	int fd = (int)must(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	must(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)));
	try(connect(fd, &to.any, length));
	return outcome(write(fd, "x", 1));
}
