// SPDX-License-Identifier: Apache-2.0
/*
 * attack: reads in a child that shares its memory (vfork)
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
ATTACK
{
	pid_t child = vfork();

	if (child == 0)
		_exit(leak_file(world.denied ? "/srv/attack/deny/secret" : "/srv/attack/allow/secret"));
	return outcome_of(child);
}
