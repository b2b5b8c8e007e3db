// SPDX-License-Identifier: Apache-2.0
/*
 * attack: loads code into the kernel (init_module)
 * stopped by: capable: CAP_SYS_MODULE
 * record: kernel
 * effect: returns
 * twin: ungoverned
 */
ATTACK
{
	/* No module at all: what is asked is whether the kernel looks at it. */
	long result = syscall(SYS_init_module, "x", 1, "");

	return result < 0 && errno == ENOEXEC ? HAPPENED : outcome(result);
}
