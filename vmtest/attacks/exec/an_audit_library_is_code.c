// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the loader itself load a denied library by LD_AUDIT
 * stopped by: mmap_file
 * record: load
 * effect: returns
 */
ATTACK
{
	char *arguments[] = { "/bin/sh", "-c", text("/usr/bin/true 2>&1 | grep -q 'cannot\\|failed to map'"), 0 };

	/* What is loaded is no audit library: whether it could be mapped at all is what counts. */
	setenv("LD_AUDIT", at("preload.so"), 1);
	return run_in_child(arguments) == 0 && access(RAN, F_OK) ? REFUSED : HAPPENED;
}
