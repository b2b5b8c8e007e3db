// SPDX-License-Identifier: Apache-2.0
/*
 * attack: binds a port of all interfaces, to be reached from outside
 * stopped by: socket_bind
 * record: bind
 * effect: returns
 */
ATTACK
{
	union address here;
	socklen_t length = make_address(&here, world.denied ? "0.0.0.0" : "127.0.0.1", 7998);

	return outcome(bind((int)must(socket(AF_INET, SOCK_STREAM, 0)), &here.any, length));
}
