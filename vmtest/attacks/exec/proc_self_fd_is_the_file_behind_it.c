// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied program as /proc/self/fd/N
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	int fd = (int)must(open(at("prog"), O_RDONLY | O_CLOEXEC));

	return run(text("/proc/self/fd/%d", fd));
}
