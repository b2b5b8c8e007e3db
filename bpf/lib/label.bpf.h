/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Labels: what a process carries since it read something, and what is taken from it for that.
 *
 * A label is one bit, the same for all policies (`label_names`). It belongs to a process, not to a thread: it is kept in
 * the identity of the thread group's leader, so that another thread has it at once. Copies of memory take it along: a
 * fork, and what the process writes (progs/labels.bpf.c). Memory that is shared is followed as it is shared:
 *
 *   vfork       AA_MEMORY_LENT: the child has its parent's labels too, and gives its own to the parent. Where the
 *               parent is gone, or is a vfork's child itself, nobody knows who shares the memory: it counts as
 *               carrying every label, and gets no further one.
 *   mappings,   AA_MEMORY_SHARED and _TRACED: what one of these processes of an agent carries, all of them do
 *   tracing     (`shared_labels`). Coarser than need be, and nothing has to be found out about who maps what.
 *
 * A label is put on before the data is to be had. Where it cannot be, the data is refused.
 */
#ifndef AA_LABEL_BPF_H
#define AA_LABEL_BPF_H

#include "judge.bpf.h"

enum aa_every_label {
	AA_EVERY_LABEL = 0xffffffff,
};

/* Whether any policy has labels. Programs that follow data test it before they look at the task. */
static __always_inline int labels_in_force(void)
{
	u32 zero = 0;
	struct aa_settings *set = bpf_map_lookup_elem(&settings, &zero);

	return set && set->labels;
}

static __always_inline int has_labels(const struct subject *subject)
{
	return subject->policy && subject->policy->labels && subject->identity;
}

/* Where a process's labels are kept. */
static __always_inline struct aa_identity *keeper_of(struct task_struct *task, struct aa_identity *own)
{
	struct aa_identity *leader = identity_of(task->group_leader);

	return leader ?: own;
}

static __always_inline u32 *shared_labels_of(u32 agent)
{
	return bpf_map_lookup_elem(&shared_labels, &agent);
}

/* Who lends its memory to this process; null if that cannot be said. */
static __always_inline struct aa_identity *lender_of(struct task_struct *task)
{
	struct task_struct *parent = task->group_leader->real_parent;
	struct aa_identity *lender;

	if (!parent || !task->mm || parent->mm != task->mm)
		return 0;
	lender = identity_of(parent->group_leader);
	return lender && !(lender->memory & AA_MEMORY_LENT) ? lender : 0;
}

static __always_inline u32 labels_at(const struct aa_identity *keeper)
{
	u32 labels = keeper->labels;

	if (keeper->memory & (AA_MEMORY_SHARED | AA_MEMORY_TRACED)) {
		u32 *shared = shared_labels_of(keeper->agent);

		labels |= shared ? *shared : AA_EVERY_LABEL;
	}
	return labels;
}

/* The labels of the process of `task`, whose own identity is `own`. */
static __always_inline u32 carried_by(struct task_struct *task, struct aa_identity *own)
{
	struct aa_identity *keeper = keeper_of(task, own);
	struct aa_identity *lender;

	if (!(keeper->memory & AA_MEMORY_LENT))
		return labels_at(keeper);
	lender = lender_of(task);
	return lender ? labels_at(keeper) | labels_at(lender) : AA_EVERY_LABEL;
}

static __always_inline void add_labels(struct aa_identity *keeper, u32 labels)
{
	if (keeper->memory & (AA_MEMORY_SHARED | AA_MEMORY_TRACED)) {
		u32 *shared = shared_labels_of(keeper->agent);

		if (shared)
			__sync_fetch_and_or(shared, labels);
	}
	__sync_fetch_and_or(&keeper->labels, labels);
}

/* Puts labels on the process of `task`. Returns 0, or -1: it must not get the data. */
static __always_inline int put_labels(struct task_struct *task, struct aa_identity *own, u32 labels)
{
	struct aa_identity *keeper = keeper_of(task, own);

	if (keeper->memory & AA_MEMORY_LENT) {
		struct aa_identity *lender = lender_of(task);

		if (!lender)
			return -1;
		add_labels(lender, labels);
	}
	add_labels(keeper, labels);
	return 0;
}

/*
 * What the acting process carries. A global function, as those below: the verifier looks at the ways through it once, and
 * not again in every program with all that follows.
 */
__noinline u32 carried_by_us(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct aa_identity *own = identity_of(task);

	return own ? carried_by(task, own) : 0;
}

/* Puts labels on the acting process. Returns 0, or -1: it must not get the data. */
__noinline int put_on_us(u32 labels)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct aa_identity *own = identity_of(task);

	return own ? put_labels(task, own, labels) : -1;
}

/* Whether the acting process has its memory from nobody knows whom. */
__noinline int is_orphan(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct aa_identity *own = identity_of(task);

	return !own || ((keeper_of(task, own)->memory & AA_MEMORY_LENT) && !lender_of(task));
}

/* How a child of the acting thread has its memory. */
__noinline u32 memory_of_child(u64 clone_flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct aa_identity *own = identity_of(task);
	u32 memory;

	if (!own)
		return 0;
	memory = keeper_of(task, own)->memory;
	if (clone_flags & AA_CLONE_THREAD)
		return memory;
	return clone_flags & AA_CLONE_VM ? memory | AA_MEMORY_LENT : memory & ~AA_MEMORY_LENT;
}

/* The strictest decision on what carriers of these labels do. */
__noinline u32 decide_taken(struct aa_policy *policy, u32 labels, u32 kind)
{
	u8 *pool = pool_bytes();
	u32 decision = 0;

	if (!pool || !policy)
		return AA_DENY;
	for (u32 i = 0; i < AA_LABELS; i++) {
		if ((labels >> i) & 1)
			decision = stricter(decision, pool_word(pool, policy->label_rules + (kind * AA_LABELS + i) * sizeof(u32)));
	}
	return decision;
}

__noinline u32 taken_from_us(struct aa_policy *policy, u32 kind)
{
	u32 labels;

	if (!policy || kind >= AA_LABEL_KINDS || !policy->label_taken[kind])
		return 0;
	labels = carried_by_us() & policy->label_taken[kind];
	return labels ? decide_taken(policy, labels, kind) : 0;
}

/* What is taken from the subject for what it carries; 0: nothing. Without an identity it is not the acting task's. */
static __always_inline u32 taken_from(const struct subject *subject, u32 kind)
{
	if (!subject->policy || !subject->identity)
		return 0;
	return taken_from_us(subject->policy, kind);
}

/* As Decision::strictest in aa-policy: of two that are as strict, the one that a rule wrote. */
__noinline u32 with_taken(u32 decision, u32 taken)
{
	if (verdict_of(taken) == verdict_of(decision) && !(decision & AA_DECISION_EXPLICIT) && taken)
		return taken;
	return stricter(decision, taken);
}

/* Whether a name that `new` is given gives fewer labels than `old` does, or the other way round in an exchange. */
static __always_inline int loses_label(const struct aa_text *old, const struct aa_text *new, int exchange)
{
	u32 one = old->columns[AA_COLUMN_LABELS], other = new->columns[AA_COLUMN_LABELS];

	return (one & ~other) || (exchange && (other & ~one));
}

/* What to cite where no pattern gave a label: what is taken for it. */
__noinline u32 cite_label(struct aa_policy *policy, u32 labels)
{
	u32 decision = 0;

	if (!policy)
		return 0;
	for (u32 kind = 0; kind < AA_LABEL_KINDS; kind++) {
		if (!decision)
			decision = decide_taken(policy, labels, kind);
	}
	return decision;
}

/*
 * Puts labels of the policy's on the acting process. 0: nothing is new; 1: something is, and is to be recorded; -1: they
 * could not be put on it.
 */
__noinline int gain_labels(u32 labels)
{
	/* One that counts as carrying every label, because nobody knows who shares its memory, gets none. */
	if (!(labels & ~carried_by_us()))
		return is_orphan() ? -1 : 0;
	return put_on_us(labels) ? -1 : 1;
}

/*
 * The record of it: `why` is the decision to cite with the reason in its low byte. Without a subject, for there is little
 * room left on the stack below what names objects. Returns 0, or -1 if it could not be sent.
 */
__noinline int record_label(struct aa_identity *identity, u32 why, u32 generation, u64 dentry, u64 mount)
{
	struct aa_scratch *s = claim_any_scratch();
	int lost;

	if (!s)
		return -1;
	if (!identity) {
		release_scratch(s);
		return -1;
	}
	reset_event(s);
	s->object.dentry = dentry;
	s->object.vfsmount = mount;
	fill_head(&s->event.head, AA_EVENT_DECISION, identity->agent, identity->session);
	s->event.generation = generation;
	s->event.decision = (why & ~0xffU) | AA_DECISION_EXPLICIT | AA_ALLOW;
	s->event.action = AA_ACTION_LABEL;
	s->event.reason = why & 0xff;
	s->event.effect = AA_EFFECT_ALLOWED;
	lost = send_event(s, AA_RING_DECISIONS);
	release_scratch(s);
	return lost;
}

/*
 * The acting process carries these labels too from now on, because of what lies at `dentry` behind `mount` (0: it has no
 * name). `why` as above; with no rule in it, what is taken from carriers is cited. Returns 0, or -1: it must not get the
 * data. So it is where the record of it cannot be sent.
 */
static __always_inline int become_labelled(const struct subject *subject, u32 labels, u32 why, u64 dentry, u64 mount)
{
	struct aa_policy *policy = subject->policy;
	int gained;

	labels &= policy->labels;
	if (!labels)
		return 0;
	gained = gain_labels(labels);
	if (gained > 0) {
		if (!(why & ~0xffU))
			why |= cite_label(policy, labels) & ~0xffU;
		/* The self-test proves what a label does, also where the ring is full because nobody reads it yet. */
		if ((subject->fault == AA_FAULT_RECORD || record_label(subject->identity, why, policy->generation, dentry, mount)) &&
		    subject->agent != AA_SELF_TEST_AGENT)
			gained = -1;
	}
	return gained < 0 && !subject->observes ? -1 : 0;
}

/* The file's content is labelled from now on. Returns 0 or -1. */
static __always_inline int label_inode(struct inode *inode, u32 labels)
{
	struct aa_inode_labels *of = labels_of_inode(inode, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!of)
		return -1;
	if (labels & ~of->labels)
		__sync_fetch_and_or(&of->labels, labels);
	return 0;
}

static __always_inline int refuse_label(const struct subject *subject)
{
	return subject->observes ? 0 : eperm();
}

/*
 * The subject reads a file whose name gives labels. The file itself has them from then on: whoever holds a descriptor
 * that was opened before, or gets one, gets them when it reads.
 */
static __always_inline int label_reader(const struct subject *subject, struct file *file, u32 labels, u32 labelled_by)
{
	u32 why = (labelled_by & ~0xffU) | AA_REASON_LABELLED_NAME;
	u64 dentry, mount;

	if (!has_labels(subject))
		return 0;
	if (label_inode(file->f_inode, labels))
		return refuse_label(subject);
	dentry = address_of(subject->identity, file->f_path.dentry);
	mount = address_of(subject->identity, file->f_path.mnt);
	return become_labelled(subject, labels, why, dentry, mount) ? eperm() : 0;
}

/* The subject runs a program whose name gives labels. What it carries goes with it, whichever of its threads runs it. */
static __always_inline int label_program(const struct subject *subject, struct file *file, u32 labels, u32 labelled_by)
{
	int ret;

	if (!has_labels(subject))
		return 0;
	ret = labels ? label_reader(subject, file, labels, labelled_by) : 0;
	subject->identity->labels |= carried_by_us() & subject->policy->labels;
	return ret;
}

#endif
