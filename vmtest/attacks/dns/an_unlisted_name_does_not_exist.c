// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks the machine's name server for a name that no rule lists
 * stopped by: the resolver: it looks up what rules list
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram("127.0.0.53", side_name(), 1);
}
