// SPDX-License-Identifier: Apache-2.0
/*
 * attack: is denied 1,000 times as fast as it can, to fill the rings, and then reads
 * stopped by: file_open: a record that is lost changes no verdict
 * record: open-read
 * effect: reads
 */
ATTACK
{
	const char *path = at("secret");

	for (int i = 0; i < 1000; i++) {
		int fd = open(path, O_RDONLY);

		if (fd >= 0 && world.denied)
			return leak(fd);
		close(fd);
	}
	/* What comes after it should be recorded: the gateway needs a while for so much. */
	sleep(1);
	return leak_file(path);
}
