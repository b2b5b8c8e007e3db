// SPDX-License-Identifier: Apache-2.0
/*
 * attack: maps a denied file shared, to store into it
 * stopped by: file_open: a mapping that can be written needs a descriptor that can
 * record: open-write
 * effect: changes
 */
ATTACK
{
	int fd = (int)try(open(at("secret"), O_RDWR));
	char *bytes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(bytes == MAP_FAILED ? -1 : 0);
	bytes[0] = 'X';
	return outcome(msync(bytes, 4096, MS_SYNC));
}
