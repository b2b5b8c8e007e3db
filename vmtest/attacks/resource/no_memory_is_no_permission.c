// SPDX-License-Identifier: Apache-2.0
/*
 * attack: leaves itself no address space, so that nothing new can be kept for it, and reads
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct rlimit none = { 1, 1 };
	const char *path = at("secret");

	must(setrlimit(RLIMIT_AS, &none));
	must(setrlimit(RLIMIT_MEMLOCK, &none));
	must(setrlimit(RLIMIT_DATA, &none));
	return leak_file(path);
}
