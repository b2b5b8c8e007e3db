// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to 1,000 addresses it may, to crowd the table of those that are known, and then to a denied one
 * stopped by: socket_connect: the table holds what was recorded, not what is allowed
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length;

	for (int i = 0; i < 1000; i++) {
		int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));

		length = make_address(&to, "127.1.0.0", 9);
		to.v4.sin_addr.s_addr += htonl((uint32_t)i);
		must(connect(fd, &to.any, length));
		close(fd);
	}
	return connect_by(SOCK_STREAM, 0, world.host4, world.port);
}
