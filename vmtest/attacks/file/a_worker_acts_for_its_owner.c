// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a worker of an io_uring unlink a denied file
 * stopped by: path_unlink
 * record: unlink
 * effect: changes
 */
ATTACK
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)at("secret"),
				      .flags = IOSQE_ASYNC };
	struct ring ring;

	open_ring(&ring, 0);
	return outcome(ring_do(&ring, &entry));
}
