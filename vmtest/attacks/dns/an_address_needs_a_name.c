// SPDX-License-Identifier: Apache-2.0
/*
 * attack: connects to an address that no name it looked up led to
 * stopped by: socket_connect: what is bound to the agent counts
 * record: connect
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	must(ask_by_datagram(NOBODY, "api.test", 1));
	return connect_by(SOCK_STREAM, 0, world.denied ? UNLISTED : LISTED, world.port);
}
