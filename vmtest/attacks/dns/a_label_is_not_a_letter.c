// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends data as a long label of a name below a wildcard
 * stopped by: the resolver: labels below a wildcard have 48 bytes at most
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	return ask_by_datagram(NOBODY, text("%s.wild.test", world.denied ?
		"a-label-is-not-a-letter.0123456789abcdef0123456789abcdef0123456789abcdef01234" : "x.short"), 1);
}
