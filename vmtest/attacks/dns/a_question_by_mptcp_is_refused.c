// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks by MPTCP, whose connections are made by sockets of the kernel's own
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
#include "../dns.h"

ATTACK
{
	must(ask_by_datagram(NOBODY, "api.test", 1));
	return connect_by(SOCK_STREAM, 262, world.denied ? NOBODY : LISTED, world.denied ? 53 : world.port);
}
