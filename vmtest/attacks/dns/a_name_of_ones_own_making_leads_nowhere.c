// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives an unlisted address a listed name in a hosts file of its own
 * stopped by: socket_connect: only the resolver binds addresses
 * record: connect
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	static const char line[] = UNLISTED " api.test\n";

	write_file(OWN "/hosts", line, sizeof(line) - 1);
	if (!world.denied)
		must(ask_by_datagram(NOBODY, "api.test", 1));
	return connect_by(SOCK_STREAM, 0, world.denied ? UNLISTED : LISTED, world.port);
}
