// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends to a denied IPv4 address from an IPv6 socket
 * stopped by: socket_sendmsg: the address's own family counts
 * record: send
 * effect: reaches
 */
ATTACK
{
	return datagram_to(AF_INET6, world.host4);
}
