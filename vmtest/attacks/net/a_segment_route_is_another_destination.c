// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends to an allowed IPv6 address by way of a denied one (routing header, SRv6)
 * stopped by: socket_setsockopt
 * record: socket
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct { unsigned char next, length, type, left, last, flags; uint16_t tag; struct in6_addr segments[2]; } route = {
		.length = 4, .type = 4, .left = 1, .last = 1,
	};

	must(inet_pton(AF_INET6, "fd00::2", &route.segments[1]) == 1 ? 0 : -1);
	return outcome(setsockopt((int)must(socket(AF_INET6, SOCK_DGRAM, 0)), IPPROTO_IPV6, 57 /* IPV6_RTHDR */, &route,
				  sizeof(route)));
}
