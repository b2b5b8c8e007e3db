// SPDX-License-Identifier: Apache-2.0
/*
 * attack: has the kernel run a program of its choice for crashes (core_pattern), as root and ungoverned
 * stopped by: file_open: /proc/sys is not allowed to be written
 * record: open-write
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	return outcome(open("/proc/sys/kernel/core_pattern", O_WRONLY));
}
