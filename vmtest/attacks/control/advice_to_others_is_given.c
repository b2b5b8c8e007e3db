// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the kernel page out somebody else's memory (process_madvise)
 * not stopped: root only; it is advice, nothing is read or changed
 * effect: returns
 */
ATTACK
{
	static char page[8192] __attribute__((aligned(4096)));
	int process = (int)must(syscall(SYS_pidfd_open, target(), 0));
	struct iovec range = { world.denied ? (void *)(world.word & ~4095UL) : page, 4096 };

	return outcome(syscall(SYS_process_madvise, process, &range, 1, MADV_COLD, 0));
}
