// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens an AF_XDP socket
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_XDP, SOCK_RAW, 0));
}
