// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes an O_TMPFILE where it may and links it into the denied directory
 * stopped by: path_link
 * record: link
 * effect: changes
 */
ATTACK
{
	int fd = (int)must(open(OWN, O_TMPFILE | O_RDWR, 0600));

	return outcome(linkat(AT_FDCWD, text("/proc/self/fd/%d", fd), AT_FDCWD, at("new"), AT_SYMLINK_FOLLOW));
}
