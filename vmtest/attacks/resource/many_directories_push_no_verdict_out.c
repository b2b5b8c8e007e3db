// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens 2,000 directories, so that what is known of one takes the place of another, and then reads
 * stopped by: file_open: what is kept of a directory is checked when it is used
 * record: open-read
 * effect: reads
 */
ATTACK
{
	/* Where making them is cheap. */
	for (int i = 0; i < 2000; i++) {
		char *directory = text("/dev/shm/d%d", i);

		if (mkdir(directory, 0700) && errno != EEXIST)
			return outcome(-1);
		close((int)must(open(directory, O_RDONLY)));
		free(directory);
	}
	return leak_file(at("dir/inner"));
}
