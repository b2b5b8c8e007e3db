// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends to a denied address whose family says nothing (AF_UNSPEC)
 * stopped by: socket_sendmsg: taken as the kernel takes it
 * record: send
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);

	to.any.sa_family = AF_UNSPEC;
	return outcome(sendto((int)must(socket(AF_INET, SOCK_DGRAM, 0)), "x", 1, 0, &to.any, length));
}
