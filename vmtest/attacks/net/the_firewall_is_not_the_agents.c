// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens the netlink socket by which firewalls are changed
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 12));
}
