// SPDX-License-Identifier: Apache-2.0
/*
 * attack: hides a question behind a listed one (sendmmsg to one server)
 * stopped by: cgroup/sendmsg4, for each datagram
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	unsigned char first[512], second[512];
	union address to;
	struct iovec one = { first, make_question(first, "api.test", 1) };
	struct iovec other = { second, make_question(second, side_name(), 1) };
	socklen_t length = make_address(&to, NOBODY, 53);
	struct mmsghdr both[2] = {
		{ .msg_hdr = { .msg_name = &to, .msg_namelen = length, .msg_iov = &one, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_name = &to, .msg_namelen = length, .msg_iov = &other, .msg_iovlen = 1 } },
	};
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0)), a, b;

	must(sendmmsg(fd, both, 2, 0) == 2 ? 0 : -1);
	a = wait_for_reply(fd);
	b = wait_for_reply(fd);
	/* They come in any order. */
	return a > b ? a : b;
}
