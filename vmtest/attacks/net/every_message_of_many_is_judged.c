// SPDX-License-Identifier: Apache-2.0
/*
 * attack: hides a datagram to a denied address behind one to an allowed address (sendmmsg)
 * stopped by: cgroup/sendmsg4, for each datagram
 * record: send
 * effect: returns
 */
ATTACK
{
	union address first, second;
	struct iovec data = { "x", 1 };
	struct mmsghdr messages[2] = { { .msg_hdr = { .msg_name = &first, .msg_iov = &data, .msg_iovlen = 1 } },
				       { .msg_hdr = { .msg_name = &second, .msg_iov = &data, .msg_iovlen = 1 } } };
	int sent;

	messages[0].msg_hdr.msg_namelen = make_address(&first, "127.0.0.1", world.port);
	messages[1].msg_hdr.msg_namelen = make_address(&second, world.host4, world.port);
	sent = (int)try(sendmmsg((int)must(socket(AF_INET, SOCK_DGRAM, 0)), messages, 2, 0));
	return sent == 2 ? HAPPENED : REFUSED;
}
