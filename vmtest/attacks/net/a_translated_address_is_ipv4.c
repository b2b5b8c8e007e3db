// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to the NAT64 address of a denied IPv4 address
 * stopped by: socket_connect, after one form is made of every address
 * record: connect
 * effect: reaches
 */
ATTACK
{
	return connect_by(SOCK_STREAM, 0, text("64:ff9b::%s", world.host4), world.port);
}
