// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends to a denied unix datagram socket without connecting
 * stopped by: unix_may_send
 * record: unix-send
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_unix(&to, world.denied ? "/srv/attack/sockets-deny/dgram" : "/srv/attack/sockets-allow/dgram");

	return outcome(sendto((int)must(socket(AF_UNIX, SOCK_DGRAM, 0)), "x", 1, 0, &to.any, length));
}
