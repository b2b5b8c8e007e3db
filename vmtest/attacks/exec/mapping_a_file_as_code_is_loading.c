// SPDX-License-Identifier: Apache-2.0
/*
 * attack: maps a denied file as code and jumps into it
 * stopped by: mmap_file
 * record: load
 * effect: returns
 */
ATTACK
{
	int fd = (int)must(open(at("code"), O_RDONLY));
	int (*code)(void) = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	if (code == MAP_FAILED)
		return outcome(-1);
	return code() == 42 ? HAPPENED : BROKEN;
}
