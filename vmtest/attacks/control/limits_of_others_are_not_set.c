// SPDX-License-Identifier: Apache-2.0
/*
 * attack: gives somebody else's process a limit that ends it (prlimit)
 * stopped by: task_setrlimit
 * record: signal
 * effect: harms
 */
ATTACK
{
	struct rlimit limit = { 4, 4 };

	return outcome(prlimit(target(), RLIMIT_NOFILE, &limit, 0));
}
