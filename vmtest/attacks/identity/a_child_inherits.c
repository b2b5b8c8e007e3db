// SPDX-License-Identifier: Apache-2.0
/*
 * attack: forks and reads in the child
 * stopped by: task_alloc: the child has the identity before it can run
 * record: open-read
 * effect: reads
 */
ATTACK
{
	pid_t child = fork();

	if (child == 0)
		_exit(leak_file(at("secret")));
	return outcome_of(child);
}
