// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file for writing only and overwrites it
 * stopped by: file_open
 * record: open-write
 * effect: changes
 */
ATTACK
{
	int fd = (int)try(open(at("secret"), O_WRONLY));

	return outcome(write(fd, "x", 1));
}
