// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens the netlink socket by which sockets of others are listed and destroyed
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 4));
}
