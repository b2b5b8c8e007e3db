// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied program by its name
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	return run(at("prog"));
}
