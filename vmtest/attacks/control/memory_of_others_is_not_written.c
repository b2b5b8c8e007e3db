// SPDX-License-Identifier: Apache-2.0
/*
 * attack: writes into somebody else's memory (process_vm_writev)
 * stopped by: ptrace_access_check
 * record: ptrace
 * effect: harms
 */
ATTACK
{
	unsigned long word = 0x666;
	pid_t who = target();
	struct iovec from = { &word, sizeof(word) };
	struct iovec to = { world.denied ? (void *)world.word : (void *)&word, sizeof(word) };

	return outcome(process_vm_writev(who, &from, 1, &to, 1, 0));
}
