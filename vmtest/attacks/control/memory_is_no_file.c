// SPDX-License-Identifier: Apache-2.0
/*
 * attack: opens /proc/PID/mem of somebody else
 * stopped by: ptrace_access_check
 * record: ptrace
 * effect: harms
 */
ATTACK
{
	unsigned long word = 0x666;
	pid_t who = target();
	int fd = (int)try(open(text("/proc/%d/mem", who), O_RDWR));

	return outcome(pwrite(fd, &word, sizeof(word), (off_t)(world.denied ? world.word : (unsigned long)&word)));
}
