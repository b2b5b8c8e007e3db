// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a listed name lead to private addresses (rebinding)
 * stopped by: the resolver: it does not answer with them
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram(NOBODY, world.denied ? name_below("inside.test") : "api.test", 1);
}
