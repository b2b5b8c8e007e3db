// SPDX-License-Identifier: Apache-2.0
/*
 * attack: openat2 with RESOLVE_IN_ROOT below a denied directory
 * stopped by: file_open
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0x10 };

	return leak(syscall(SYS_openat2, (int)must(open(world.root, O_PATH)), "/dir/inner", &how, sizeof(how)));
}
