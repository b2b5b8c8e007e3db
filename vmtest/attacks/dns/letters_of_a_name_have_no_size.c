// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks for an unlisted name in capitals and with a final dot
 * stopped by: the resolver: names are compared in one form
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram(NOBODY, world.denied ? name_below("UNLISTED.test.") : "API.Test.", 1);
}
