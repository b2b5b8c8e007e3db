// SPDX-License-Identifier: Apache-2.0
/*
 * attack: makes a child in a user namespace of its own
 * stopped by: userns_create
 * record: user-namespace
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	struct clone_args arguments = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t child = (pid_t)try(syscall(SYS_clone3, &arguments, 64));

	if (child == 0)
		_exit(HAPPENED);
	return outcome_of(child);
}
