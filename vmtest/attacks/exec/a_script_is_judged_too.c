// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a denied script whose interpreter is allowed
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	return run(at("script"));
}
