// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads somebody else's memory (process_vm_readv)
 * stopped by: ptrace_access_check
 * record: ptrace
 * effect: returns
 */
ATTACK
{
	unsigned long word = 0;
	pid_t who = target();
	struct iovec to = { &word, sizeof(word) };
	struct iovec from = { world.denied ? (void *)world.word : (void *)&word, sizeof(word) };

	return outcome(process_vm_readv(who, &to, 1, &from, 1, 0));
}
