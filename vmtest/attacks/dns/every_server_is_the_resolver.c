// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks a name server of its own choice
 * stopped by: cgroup/sendmsg4: what goes to port 53 goes to the resolver
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram(NOBODY, side_name(), 1);
}
