// SPDX-License-Identifier: Apache-2.0
/*
 * attack: becomes another user by setuid and reads what that one may
 * stopped by: task storage: identity is no user id
 * record: open-read
 * effect: reads
 */
ATTACK
{
	pid_t child = fork();

	if (child == 0) {
		must(syscall(SYS_setresuid, 65534, 65534, 65534));
		_exit(leak_file(at("secret")));
	}
	return outcome_of(child);
}
