// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a child in another cgroup from the start (CLONE_INTO_CGROUP)
 * stopped by: task_alloc
 * record: open-read
 * effect: reads
 */
ATTACK
{
	int group = (int)must(open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY));
	struct clone_args arguments = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group };
	pid_t child = (pid_t)must(syscall(SYS_clone3, &arguments, sizeof(arguments)));

	if (child == 0)
		_exit(leak_file(at("secret")));
	return outcome_of(child);
}
