// SPDX-License-Identifier: Apache-2.0
/*
 * attack: seizes somebody else's process by ptrace, without stopping it
 * stopped by: ptrace_access_check
 * record: ptrace
 * effect: harms
 */
ATTACK
{
	return outcome(ptrace(PTRACE_SEIZE, target(), 0, 0));
}
