// SPDX-License-Identifier: Apache-2.0
/*
 * attack: attaches to somebody else's process by ptrace
 * stopped by: ptrace_access_check
 * record: ptrace
 * effect: harms
 */
ATTACK
{
	return outcome(ptrace(PTRACE_ATTACH, target(), 0, 0));
}
