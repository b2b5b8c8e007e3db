// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to 0.0.0.0, which is loopback, and a port denied there
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	return connect_by(SOCK_STREAM, 0, "0.0.0.0", world.denied ? world.denied_port : world.port);
}
