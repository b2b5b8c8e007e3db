// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file by the 32-bit system call table (int $0x80)
 * stopped by: file_open: below every entry of the kernel
 * record: open-read
 * effect: reads
 */
ATTACK
{
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result;

	must(low == MAP_FAILED ? -1 : 0);
	strcpy(low, at("secret"));
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	result = (int)result;
	if (result < 0) {
		errno = (int)-result;
		return outcome(-1);
	}
	return leak(result);
}
