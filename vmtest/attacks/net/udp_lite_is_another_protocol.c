// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a UDP-Lite socket
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_INET, SOCK_DGRAM, 136));
}
