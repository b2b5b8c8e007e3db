// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file relative to an O_PATH descriptor of its directory
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak(openat((int)must(open(at("dir"), O_PATH)), "inner", O_RDONLY));
}
