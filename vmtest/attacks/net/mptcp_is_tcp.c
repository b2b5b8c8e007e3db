// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects by MPTCP, another protocol with the same destinations
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	return connect_by(SOCK_STREAM, 262, world.host4, world.port);
}
