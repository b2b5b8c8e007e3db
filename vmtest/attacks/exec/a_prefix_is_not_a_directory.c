// SPDX-License-Identifier: Apache-2.0
/*
 * attack: executes a program in a directory whose name begins like an allowed one
 * stopped by: bprm_check_security: patterns match whole components
 * record: exec
 * effect: runs
 */
ATTACK
{
	return run(world.denied ? "/srv/attack/allowed-not/prog" : at("prog"));
}
