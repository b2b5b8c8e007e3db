// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a vsock socket
 * stopped by: socket_create
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(socket(AF_VSOCK, SOCK_STREAM, 0));
}
