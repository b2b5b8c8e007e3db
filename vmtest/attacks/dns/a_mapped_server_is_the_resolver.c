// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks a name server by its IPv4 address on an IPv6 socket
 * stopped by: cgroup/sendmsg6
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram("::ffff:" NOBODY, side_name(), 1);
}
