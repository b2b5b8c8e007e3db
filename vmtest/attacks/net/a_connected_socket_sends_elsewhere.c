// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects a datagram socket where it may and sends to another address from it
 * stopped by: socket_sendmsg
 * record: send
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, "127.0.0.1", world.port);
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));

	must(connect(fd, &to.any, length));
	length = make_address(&to, world.host4, world.port);
	return outcome(sendto(fd, "x", 1, 0, &to.any, length));
}
