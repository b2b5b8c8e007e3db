// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a raw socket by IORING_OP_SOCKET
 * stopped by: socket_create
 * record: socket
 * effect: returns
 */
ATTACK
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = world.denied ? SOCK_RAW : SOCK_DGRAM,
				      .len = world.denied ? 255 : 0 };
	struct ring ring;

	open_ring(&ring, 0);
	return outcome(ring_do(&ring, &entry));
}
