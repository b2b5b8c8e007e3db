// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads code from a denied file into anonymous memory and jumps there
 * not stopped: anonymous memory has no name to judge, and just-in-time compilers need it. What the code does is judged all the same.
 * effect: returns
 */
ATTACK
{
	int fd = (int)must(open(at("code"), O_RDONLY));
	void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(memory == MAP_FAILED ? -1 : 0);
	must(read(fd, memory, 4096));
	return ((int (*)(void))memory)() == 42 ? HAPPENED : BROKEN;
}
