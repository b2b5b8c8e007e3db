// SPDX-License-Identifier: Apache-2.0
/*
 * attack: loads code into the kernel (init_module)
 * not stopped: root only; no hook of ours yet. Loading can be switched off for the whole host (kernel.modules_disabled)
 * effect: returns
 */
ATTACK
{
	/* No module at all: what is asked is whether the kernel looks at it. */
	long result = syscall(SYS_init_module, "x", 1, "");

	return result < 0 && errno == ENOEXEC ? HAPPENED : outcome(result);
}
