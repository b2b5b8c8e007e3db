/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decisions: one word each, compared by strictness. The verdicts themselves were computed when the policy was lowered. */
#ifndef AA_VERDICT_BPF_H
#define AA_VERDICT_BPF_H

#include "core.bpf.h"

static __always_inline u32 verdict_of(u32 decision)
{
	return decision & AA_DECISION_VERDICT;
}

static __always_inline int passes(u32 decision)
{
	return verdict_of(decision) <= AA_ALLOW;
}

static __always_inline u32 stricter(u32 one, u32 other)
{
	return verdict_of(other) > verdict_of(one) ? other : one;
}

/* What another name of the same object adds: only what a rule wrote, and only if it does not allow. */
static __always_inline u32 stricter_if_written(u32 one, u32 other)
{
	return (other & AA_DECISION_EXPLICIT) ? stricter(one, other) : one;
}

/* A judgement: the decision, why, and 0 or -EPERM to return from the hook. */
struct judgement {
	u32 decision;
	u32 reason;
};

static __always_inline u32 reason_of(u32 decision)
{
	return (decision & AA_DECISION_EXPLICIT) ? AA_REASON_RULE : AA_REASON_DEFAULT;
}

/*
 * -EPERM, out of the compiler's sight: it would fold "refused ? -1 : 0" into arithmetic whose range the verifier loses
 * ("R0 has smin=0 smax=4294967295 should have been in [-4095, 0]", 6.12 on).
 */
static __always_inline int eperm(void)
{
	int value;

	asm volatile("%0 = -1" : "=r"(value));
	return value;
}

#endif
