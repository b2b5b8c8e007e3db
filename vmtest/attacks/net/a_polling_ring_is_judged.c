// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the polling thread of an io_uring connect
 * stopped by: socket_connect
 * record: connect
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);
	struct io_uring_sqe entry = { .opcode = IORING_OP_CONNECT, .addr = (uintptr_t)&to, .off = length };
	struct ring ring;

	open_ring(&ring, IORING_SETUP_SQPOLL);
	entry.fd = (int)must(socket(AF_INET, SOCK_STREAM, 0));
	return outcome(ring_do(&ring, &entry));
}
