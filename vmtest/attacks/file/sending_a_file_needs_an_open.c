// SPDX-License-Identifier: Apache-2.0
/*
 * attack: copies a denied file into a pipe without reading it (splice, sendfile)
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int pipes[2];

	must(pipe(pipes));
	must(splice((int)try(open(at("secret"), O_RDONLY)), 0, pipes[1], 0, 100, 0));
	return leak(pipes[0]);
}
