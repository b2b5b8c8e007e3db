// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the polling thread of an io_uring open a denied file
 * stopped by: file_open: the thread has the identity of who made it
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)at("secret") };
	struct ring ring;

	open_ring(&ring, IORING_SETUP_SQPOLL);
	return leak(ring_do(&ring, &entry));
}
