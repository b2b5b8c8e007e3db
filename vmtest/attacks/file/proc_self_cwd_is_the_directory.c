// SPDX-License-Identifier: Apache-2.0
/*
 * attack: changes into a denied directory, which is not an open, and opens a file by /proc/self/cwd
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	must(chdir(at("dir")));
	return leak_file("/proc/self/cwd/inner");
}
