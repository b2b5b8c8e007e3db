// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends a datagram by IORING_OP_SENDMSG from a worker
 * stopped by: socket_sendmsg
 * record: send
 * effect: reaches
 */
ATTACK
{
	union address to;
	struct iovec data = { "x", 1 };
	struct msghdr message = { .msg_name = &to, .msg_iov = &data, .msg_iovlen = 1 };
	struct io_uring_sqe entry = { .opcode = IORING_OP_SENDMSG, .flags = IOSQE_ASYNC, .addr = (uintptr_t)&message, .len = 1 };
	struct ring ring;

	message.msg_namelen = make_address(&to, world.host4, world.port);
	open_ring(&ring, 0);
	entry.fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));
	return outcome(ring_do(&ring, &entry));
}
