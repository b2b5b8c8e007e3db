// SPDX-License-Identifier: Apache-2.0
/*
 * attack: holds 900 sockets, each with storage of ours, and connects the last
 * stopped by: socket_connect: a socket that storage cannot be had for is denied, not let go
 * record: connect
 * effect: reaches
 */
ATTACK
{
	for (int i = 0; i < 900; i++)
		must(socket(AF_INET, SOCK_DGRAM, 0));
	return connect_by(SOCK_STREAM, 0, world.host4, world.port);
}
