// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects without waiting for the end of it
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);
	long result = connect((int)must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), &to.any, length);

	return result < 0 && errno == EINPROGRESS ? HAPPENED : outcome(result);
}
