// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied program below /proc/self/root
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	return run(text("/proc/self/root%s", at("prog")));
}
