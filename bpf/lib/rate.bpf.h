/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an agent may only do so often: token buckets, one for each agent and class, kept as the time at which the bucket
 * would be full again (the generic cell rate algorithm, ITU-T I.371). One word, so that hooks on several processors
 * agree by compare and exchange, and nothing has to refill it. Only what is otherwise allowed is counted, and only
 * where it is allowed by no person's answer.
 */
#ifndef AA_RATE_BPF_H
#define AA_RATE_BPF_H

#include "judge.bpf.h"

enum aa_rate_limits {
	AA_RATE_TRIES = 16, /* who loses to other processors so often in a row has a bucket that is being emptied */
};

/* Takes one from the bucket. Returns 0, or the decision on what is more than the policy allows. */
__noinline u32 take_token(struct aa_policy *policy, u32 agent, u32 class)
{
	if (!policy || class >= AA_RATES)
		return DECISION_CLOSED;

	struct aa_rate *rate = &policy->rates[class];
	u32 index = agent * AA_RATES + class;
	u64 *full_at = bpf_map_lookup_elem(&buckets, &index);
	u64 now = bpf_ktime_get_boot_ns();

	if (!full_at)
		return rate->decision;
	for (u32 i = 0; i < AA_RATE_TRIES; i++) {
		u64 before = *(volatile u64 *)full_at;
		u64 from = before > now ? before : now;

		if (from - now > rate->burst_ns)
			break;
		if (__sync_val_compare_and_swap(full_at, before, from + rate->interval_ns) == before)
			return 0;
	}
	return rate->decision;
}

/*
 * What the rate of `class` makes of a judgement that lets pass. A thread that was held comes back with the same system
 * call: its answer is about this very one, so no token is taken that may have come in the meantime.
 */
static __always_inline void limit(const struct subject *subject, u32 class, struct judgement *j)
{
	struct aa_policy *policy = subject->policy;
	u32 decision;

	if (!policy || !passes(j->decision) || !policy->rates[class].interval_ns)
		return;
	decision = policy->rates[class].decision;
	if (!subject->identity || !subject->identity->held || verdict_of(decision) != AA_ASK)
		decision = take_token(policy, subject->agent, class);
	if (!decision)
		return;
	j->decision = decision;
	j->reason = AA_REASON_RATE;
}

#endif
