// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a denied unix socket by a symbolic link
 * stopped by: unix_stream_connect: the name it was bound to counts
 * record: unix-connect
 * effect: reaches
 */
ATTACK
{
	must(symlink(world.denied ? "/srv/attack/sockets-deny/stream" : "/srv/attack/sockets-allow/stream", OWN "/link"));
	return connect_unix(SOCK_STREAM, OWN "/link");
}
