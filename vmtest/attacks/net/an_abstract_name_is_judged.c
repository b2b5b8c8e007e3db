// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to a unix socket that has no file
 * stopped by: unix_stream_connect
 * record: unix-connect
 * effect: reaches
 */
ATTACK
{
	return connect_unix(SOCK_STREAM, world.denied ? "@attack-net-stream-deny" : "@attack-net-stream-allow");
}
