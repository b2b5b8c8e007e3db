// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to an allowed address by way of a denied one (IP option LSRR): packets go there first
 * stopped by: socket_setsockopt
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	unsigned char option[8] = { 131, 7, 4, 127, 0, 0, 2, 0 };

	return outcome(setsockopt((int)must(socket(AF_INET, SOCK_STREAM, 0)), IPPROTO_IP, IP_OPTIONS, option, sizeof(option)));
}
