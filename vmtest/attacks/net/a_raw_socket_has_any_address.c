// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a raw socket, whose packets carry addresses nobody looks at
 * stopped by: socket_create: an allow-list of kinds of sockets
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_INET, SOCK_RAW, 255));
}
