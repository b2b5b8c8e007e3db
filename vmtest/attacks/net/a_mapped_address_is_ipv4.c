// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to ::ffff:a.b.c.d of a denied IPv4 address
 * stopped by: socket_connect, after one form is made of every address
 * record: connect
 * effect: reaches
 */
ATTACK
{
	return connect_by(SOCK_STREAM, 0, text("::ffff:%s", world.host4), world.port);
}
