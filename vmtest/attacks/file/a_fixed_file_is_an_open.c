// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file straight into the table of an io_uring and reads it there, without a descriptor
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct io_uring_sqe opening = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)at("secret"), .file_index = 1 };
	struct io_uring_sqe reading = { .opcode = IORING_OP_READ, .flags = IOSQE_FIXED_FILE, .addr = (uintptr_t)said, .len = 100 };
	int none = -1;
	struct ring ring;

	open_ring(&ring, 0);
	must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, &none, 1));
	try(ring_do(&ring, &opening));
	must(ring_do(&ring, &reading));
	return HAPPENED;
}
