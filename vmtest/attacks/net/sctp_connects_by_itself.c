// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens an SCTP socket, which associates on its first message
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_INET, SOCK_STREAM, 132));
}
