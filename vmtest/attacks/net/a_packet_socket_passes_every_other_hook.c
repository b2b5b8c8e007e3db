// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a packet socket
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_PACKET, SOCK_RAW, htons(3)));
}
