// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens 1,000 times what it may, to crowd the caches of verdicts, and then reads
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	for (int i = 0; i < 1000; i++) {
		int fd = (int)must(open(text(OWN "/f%d", i % 100), O_RDWR | O_CREAT, 0600));

		close(fd);
	}
	return leak_file(at("secret"));
}
