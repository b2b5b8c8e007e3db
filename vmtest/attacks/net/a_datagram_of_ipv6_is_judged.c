// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends a datagram to a denied IPv6 address
 * stopped by: socket_sendmsg
 * record: send
 * effect: reaches
 */
ATTACK
{
	return datagram_to(AF_INET6, world.host6);
}
