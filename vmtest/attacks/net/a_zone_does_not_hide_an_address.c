// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a denied link-local address by way of an interface (fe80::2%lo)
 * stopped by: socket_connect: the zone is no part of what is judged
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.denied ? "fe80::2" : "fe80::1", world.port);

	to.v6.sin6_scope_id = 1;
	return outcome(connect((int)must(socket(AF_INET6, SOCK_STREAM, 0)), &to.any, length));
}
