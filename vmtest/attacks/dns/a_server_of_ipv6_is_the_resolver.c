// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks a name server by its IPv6 address
 * stopped by: cgroup/sendmsg6
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram("2606:2800:220:1::99", side_name(), 1);
}
