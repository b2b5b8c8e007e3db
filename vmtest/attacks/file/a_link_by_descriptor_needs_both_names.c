// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a hard link to an O_PATH descriptor of a denied file
 * stopped by: path_link
 * record: link
 * effect: reads
 */
ATTACK
{
	int fd = (int)must(open(at("secret"), O_PATH));

	try(linkat(AT_FDCWD, text("/proc/self/fd/%d", fd), AT_FDCWD, OWN "/hard", AT_SYMLINK_FOLLOW));
	return leak_file(OWN "/hard");
}
