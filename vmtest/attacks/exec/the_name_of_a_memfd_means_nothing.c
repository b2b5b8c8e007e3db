// SPDX-License-Identifier: Apache-2.0
/*
 * attack: calls a memfd as an allowed program is called, and executes it
 * stopped by: bprm_check_security
 * record: exec
 * effect: runs
 * twin: permitted
 */
ATTACK
{
	char bytes[4096];
	int from = (int)must(open("/srv/attack/allow/prog", O_RDONLY));
	int memory = (int)must(syscall(SYS_memfd_create, "../srv/attack/allow/prog", 1));

	must(write(memory, bytes, (size_t)must(read(from, bytes, sizeof(bytes)))));
	return run(text("/proc/self/fd/%d", memory));
}
