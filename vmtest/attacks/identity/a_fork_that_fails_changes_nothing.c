// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has a fork fail over RLIMIT_NPROC, after which some kernels free what they keep for BPF programs of the parent, and reads
 * stopped by: task storage; kernels that free it are refused (AA-K007)
 * record: open-read
 * effect: reads
 */
ATTACK
{
	struct rlimit none = { 0, 0 };
	pid_t child = fork();

	if (child == 0) {
		must(setrlimit(RLIMIT_NPROC, &none));
		must(syscall(SYS_setresuid, 65534, 65534, 65534));
		if (fork() == 0)
			_exit(0);
		/* It is freed after a grace period of RCU. */
		sleep(1);
		_exit(leak_file(at("secret")));
	}
	return outcome_of(child);
}
