// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks systemd-resolved by its socket, which a rule allows
 * stopped by: unix_stream_connect: it is denied where a policy names hosts
 * record: unix-connect
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	return connect_unix(SOCK_STREAM, world.denied ? "/run/systemd/resolve/io.systemd.Resolve" : "/run/attack/stream");
}
