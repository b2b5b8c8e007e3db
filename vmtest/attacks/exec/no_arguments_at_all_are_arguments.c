// SPDX-License-Identifier: Apache-2.0
/*
 * attack: calls a denied program with an empty argv, not even argv[0]
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 */
ATTACK
{
	char *arguments[] = { 0 };

	execve(at("prog"), arguments, environ);
	return outcome(-1);
}
