// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends data as many names below a wildcard, one after another
 * stopped by: the resolver: 100 different names below a wildcard in ten minutes
 * record: lookup
 * effect: returns
 * twin: permitted
 */
#include "../dns.h"

ATTACK
{
	for (int i = 0; i < (world.denied ? 130 : 20); i++) {
		int code = ask_by_datagram(NOBODY, text("n%d.%s", i, world.denied ? name_below("flood.test") : "short.wild.test"), 1);

		if (code)
			return code;
	}
	return HAPPENED;
}
