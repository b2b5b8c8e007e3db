// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reaches an unlisted host at the address of a listed one
 * not stopped: the kernel sees addresses, not names: hosts that share one (a CDN) are told apart in the plaintext only
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	/* Somebody else's listener stands for the other host: both sides are one address. */
	must(ask_by_datagram(NOBODY, world.denied ? "shared.test" : "api.test", 1));
	return connect_by(SOCK_STREAM, 0, world.denied ? UNLISTED : LISTED, world.port);
}
