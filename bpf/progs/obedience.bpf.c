// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether this kernel runs a program every time it should: see src/obedience.rs, which loads this for a moment.
 */
#include "../lib/core.bpf.h"
#include "../lib/verdict.bpf.h"

AA_LICENSE;

/* The process that tries it. Written by it before this is loaded. */
const volatile u32 process = 0;

enum aa_dawdling {
	AA_DAWDLE_NS = 50000000,
	AA_DAWDLE_ROUNDS = 2048, /* of each of two loops: more than a processor does meanwhile */
};

/* A global function: the verifier goes through its rounds once, and not in each of the caller's. */
__noinline int wait_until(u64 time)
{
	for (u32 i = 0; i < AA_DAWDLE_ROUNDS; i++) {
		if (bpf_ktime_get_ns() >= time)
			return 1;
	}
	return 0;
}

static __always_inline void dawdle(void)
{
	u64 time = bpf_ktime_get_ns() + AA_DAWDLE_NS;

	for (u32 i = 0; i < AA_DAWDLE_ROUNDS; i++) {
		if (wait_until(time))
			return;
	}
}

/* getpgid(2) of the process itself takes long, of one of its other threads it does not; both are denied. */
SEC("lsm/task_getpgid")
int BPF_PROG(deny_looking, struct task_struct *task)
{
	if (bpf_get_current_pid_tgid() >> 32 != process)
		return 0;
	if (task->pid == task->tgid)
		dawdle();
	return eperm();
}
