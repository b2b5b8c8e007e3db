/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What no governed process may do, whatever its policy says.
 */
#ifndef AA_CONTAIN_BPF_H
#define AA_CONTAIN_BPF_H

#include "judge.bpf.h"

/* What the subject's policy says of what is denied unless it is listed. */
static __always_inline struct judgement judge_privilege(const struct subject *subject, u32 privilege)
{
	struct judgement j = { .decision = DECISION_CLOSED, .reason = AA_REASON_NO_POLICY };

	if (subject->policy) {
		j.decision = subject->policy->privileges[privilege];
		j.reason = j.decision & AA_DECISION_EXPLICIT ? AA_REASON_RULE : AA_REASON_PRIVILEGE;
	}
	judge_barred(subject, &j);
	return j;
}

/* Whether `task` belongs to the acting agent's own session tree: the same agent. */
static __always_inline int same_agent(const struct subject *subject, struct task_struct *task)
{
	struct aa_identity *other = identity_of(task);

	return other && other->agent == subject->agent;
}

static __always_inline int contain(void *ctx, u32 action, u32 other_pid)
{
	struct subject subject;

	if (!current_subject(&subject))
		return 0;
	return refuse_outright(ctx, &subject, action, AA_REASON_CONTAINMENT, other_pid, 0, 0, 0);
}

static __always_inline int contain_unless_listed(void *ctx, u32 privilege, u32 action)
{
	struct subject subject;
	struct judgement j;

	if (!current_subject(&subject))
		return 0;
	j = judge_privilege(&subject, privilege);
	return passes(j.decision) ? 0 : refuse_judged(ctx, &subject, action, j, 0, 0, 0, 0);
}

/* Of anybody but the agent's own processes: `action`. */
static __always_inline int contain_from(void *ctx, struct task_struct *target, u32 action)
{
	struct subject subject;

	if (!current_subject(&subject) || same_agent(&subject, target))
		return 0;
	return contain(ctx, action, target->tgid);
}

#endif
