// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends with TCP Fast Open on an MPTCP socket
 * stopped by: socket_sendmsg
 * record: send
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);

	return outcome(sendto((int)must(socket(AF_INET, SOCK_STREAM, 262)), "x", 1, MSG_FASTOPEN, &to.any, length));
}
