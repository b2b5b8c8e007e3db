// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file by IORING_OP_OPENAT
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)at("secret") };
	struct ring ring;

	open_ring(&ring, 0);
	return leak(ring_do(&ring, &entry));
}
