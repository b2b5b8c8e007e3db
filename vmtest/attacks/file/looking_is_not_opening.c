// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens a denied file with O_PATH, which is not judged, and again through /proc/self/fd
 * stopped by: file_open at the second open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	return leak_file(text("/proc/self/fd/%ld", must(open(at("secret"), O_PATH))));
}
