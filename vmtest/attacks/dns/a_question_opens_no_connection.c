// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks with TCP Fast Open, so that the question leaves before its port is known
 * stopped by: socket_sendmsg: refused where the resolver could not know who asks
 * record: send
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.denied ? NOBODY : LISTED, world.denied ? 53 : world.port);

	must(ask_by_datagram(NOBODY, "api.test", 1));
	return outcome(sendto((int)must(socket(AF_INET, SOCK_STREAM, 0)), "x", 1, MSG_FASTOPEN, &to.any, length));
}
