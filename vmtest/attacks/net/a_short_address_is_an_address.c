// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects with a sockaddr_in6 of 24 bytes, as they were before RFC 2553
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;

	make_address(&to, world.host6, world.port);
	return outcome(connect((int)must(socket(AF_INET6, SOCK_STREAM, 0)), &to.any, 24));
}
