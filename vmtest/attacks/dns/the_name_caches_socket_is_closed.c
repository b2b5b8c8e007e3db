// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks nscd by its socket, which a rule allows
 * stopped by: unix_stream_connect
 * record: unix-connect
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	return connect_unix(SOCK_STREAM, world.denied ? "/run/nscd/socket" : "/run/attack/stream");
}
