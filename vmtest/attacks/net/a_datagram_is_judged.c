// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends a datagram to a denied address without connecting
 * stopped by: socket_sendmsg
 * record: send
 * effect: reaches
 */
ATTACK
{
	return datagram_to(AF_INET, world.host4);
}
