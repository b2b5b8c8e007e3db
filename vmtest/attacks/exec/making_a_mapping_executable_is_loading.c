// SPDX-License-Identifier: Apache-2.0
/*
 * attack: maps a denied file as data and makes it code by mprotect
 * stopped by: file_mprotect
 * record: load
 * effect: returns
 */
ATTACK
{
	int fd = (int)must(open(at("code"), O_RDONLY));
	void *data = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	must(data == MAP_FAILED ? -1 : 0);
	try(mprotect(data, 4096, PROT_READ | PROT_EXEC));
	return ((int (*)(void))data)() == 42 ? HAPPENED : BROKEN;
}
