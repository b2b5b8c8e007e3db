// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks for the texts of an unlisted name, which can carry commands
 * stopped by: the resolver
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram(NOBODY, side_name(), world.denied ? 16 : 1);
}
