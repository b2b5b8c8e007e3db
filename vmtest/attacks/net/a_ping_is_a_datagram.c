// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends an echo request to a denied address, which can carry data
 * stopped by: socket_sendmsg
 * record: send
 * effect: returns
 */
ATTACK
{
	unsigned char echo[16] = { 8 };
	union address to;
	socklen_t length = make_address(&to, world.host4, 0);

	return outcome(sendto((int)must(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)), echo, sizeof(echo), 0, &to.any, length));
}
