// SPDX-License-Identifier: Apache-2.0
/*
 * attack: sends a datagram by IORING_OP_SEND_ZC with an address of its own
 * stopped by: socket_sendmsg
 * record: send
 * effect: reaches
 */
ATTACK
{
	union address to;
	socklen_t length = make_address(&to, world.host4, world.port);
	struct io_uring_sqe entry = { .opcode = IORING_OP_SEND_ZC, .addr = (uintptr_t)"x", .len = 1, .addr2 = (uintptr_t)&to };
	struct ring ring;

	entry.addr_len = (uint16_t)length;
	open_ring(&ring, 0);
	entry.fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0));
	return outcome(ring_do(&ring, &entry));
}
