// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes the mode of a denied file through an O_PATH descriptor
 * stopped by: path_chmod
 * record: chmod
 * effect: changes
 */
ATTACK
{
	int fd = (int)must(open(at("secret"), O_PATH));

	return outcome(chmod(text("/proc/self/fd/%d", fd), 0666));
}
