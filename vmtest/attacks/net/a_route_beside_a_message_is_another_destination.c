// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends a datagram to an allowed address with a source route beside it (IP_RETOPTS), by way of a denied one
 * not stopped: no hook is told what stands beside each datagram of sendmmsg. One way only, and most networks drop such packets.
 * effect: returns
 */
ATTACK
{
	static const unsigned char by[2][8] = { { 131, 7, 4, 127, 0, 0, 1, 0 }, { 131, 7, 4, 127, 0, 0, 2, 0 } };
	union { struct cmsghdr head; char bytes[CMSG_SPACE(8)]; } control = { .head = { CMSG_LEN(8), IPPROTO_IP, 7 /* IP_RETOPTS */ } };
	union address to;
	struct iovec data = { "x", 1 };
	struct msghdr message = { .msg_name = &to, .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	message.msg_namelen = make_address(&to, "127.0.0.1", world.port);
	memcpy(CMSG_DATA(&control.head), by[world.denied], 8);
	return outcome(sendmsg((int)must(socket(AF_INET, SOCK_DGRAM, 0)), &message, 0));
}
