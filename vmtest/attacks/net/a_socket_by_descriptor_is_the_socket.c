// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a denied unix socket through an O_PATH descriptor of it
 * stopped by: unix_stream_connect
 * record: unix-connect
 * effect: reaches
 */
ATTACK
{
	int fd = (int)must(open(world.denied ? "/srv/attack/sockets-deny/stream" : "/srv/attack/sockets-allow/stream", O_PATH));

	return connect_unix(SOCK_STREAM, text("/proc/self/fd/%d", fd));
}
