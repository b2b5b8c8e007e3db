// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a denied IPv6 address
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	return connect_by(SOCK_STREAM, 0, world.host6, world.port);
}
