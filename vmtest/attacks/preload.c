// SPDX-License-Identifier: Apache-2.0
/* A library that makes /srv/attack/ran when it is loaded. It stands without libc. */
static __attribute__((constructor)) void loaded(void)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(2), "D"("/srv/attack/ran"), "S"(0101), "d"(0644) : "rcx", "r11", "memory");
}
