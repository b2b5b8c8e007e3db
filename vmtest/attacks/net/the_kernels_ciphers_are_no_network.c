// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens an AF_ALG socket
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_ALG, SOCK_SEQPACKET, 0));
}
