// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks from a network namespace of its own
 * stopped by: socket_sendmsg: refused where the resolver cannot be asked
 * record: send
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	if (world.denied)
		must(unshare(CLONE_NEWNET));
	return ask_by_datagram(NOBODY, "api.test", 1);
}
