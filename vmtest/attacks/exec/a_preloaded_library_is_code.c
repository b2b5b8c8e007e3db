// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has an allowed program load a denied library by LD_PRELOAD
 * stopped by: mmap_file
 * record: load
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { "/usr/bin/true", 0 };

	setenv("LD_PRELOAD", at("preload.so"), 1);
	must(run_in_child(arguments));
	/* The loader says so and goes on without it. */
	return access(RAN, F_OK) ? REFUSED : HAPPENED;
}
