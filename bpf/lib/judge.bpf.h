/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a decision to a hook's return value, the same way everywhere:
 *
 *   killed or suspended    deny, in observe mode too
 *   policy closed by hours deny; in observe mode record and pass
 *   no policy in force     deny
 *   cannot read the object deny
 *   verdict deny           deny and record; in observe mode record and pass
 *   verdict suspend, kill  the same, and from then on the agent is suspended or killed
 *   verdict ask            as answered, else hold (hold.bpf.h); in observe mode record and pass
 *   verdict allow          pass; recorded in the activity ring when that is on
 */
#ifndef AA_JUDGE_BPF_H
#define AA_JUDGE_BPF_H

#include "automaton.bpf.h"
#include "cache.bpf.h"
#include "hold.bpf.h"

/* A decision nothing in the policy made: a failed read, a missing policy. */
#define DECISION_CLOSED AA_DENY

/* What a program may do besides judging. A constant in each. */
enum aa_place {
	AA_AT_SOCKET = 0, /* at a cgroup, of a socket: whose task acts is not known, and nobody can be stopped */
	AA_AT_HOOK = 1,	  /* an LSM hook */
	AA_AT_CGROUP = 2, /* at a cgroup, for the acting task: it can be stopped (6.18 on) */
	AA_AT_EXEC = 3,	  /* in the midst of an exec, which cannot be refused or stopped: what is denied is killed */
};

/* Sends the record, unless a test wants to see what happens when that fails. */
static __always_inline int send_for(const struct subject *subject, struct aa_scratch *s, u32 ring)
{
	if (subject->fault == AA_FAULT_RECORD) {
		count_loss(ring == AA_RING_DECISIONS ? AA_LOSS_DECISIONS_RING : AA_LOSS_ACTIVITY_RING);
		return -1;
	}
	return send_event(s, ring);
}

static __always_inline void add_stack(void *ctx, struct aa_scratch *s, enum aa_place place)
{
	long bytes = 0;

	if (place == AA_AT_HOOK)
		bytes = bpf_get_stack(ctx, s->event.stack, sizeof(s->event.stack), BPF_F_USER_STACK);
	else if (place != AA_AT_SOCKET)
		bytes = bpf_get_task_stack(bpf_get_current_task_btf(), s->event.stack, sizeof(s->event.stack), BPF_F_USER_STACK);

	s->event.stack_frames = bytes > 0 ? bytes / sizeof(u64) : 0;
}

/* Nothing passes while something bars all. */
static __always_inline void judge_barred(const struct subject *subject, struct judgement *j)
{
	if (!subject->barred)
		return;
	j->reason = subject->barred;
	j->decision = DECISION_CLOSED;
	if (subject->barred == AA_REASON_HOURS && subject->policy)
		j->decision = subject->policy->hours;
}

/*
 * What a denial does besides, and which effect its record tells: the agent's switch is thrown in the very hook, so that
 * what any of its threads does from here on is denied. The gateway reads the record and has the processes frozen or
 * killed. A global function for the verifier's sake, as standing_of().
 */
__noinline u32 carry_out(u32 agent_index, u32 verdict, u32 observes)
{
	struct aa_agent *agent = bpf_map_lookup_elem(&agents, &agent_index);

	if (observes)
		return AA_EFFECT_WOULD_DENY;
	if (verdict < AA_SUSPEND || !agent)
		return AA_EFFECT_DENIED;
	__sync_fetch_and_or(&agent->flags, verdict == AA_KILL ? AA_AGENT_KILLED : AA_AGENT_SUSPENDED);
	return verdict == AA_KILL ? AA_EFFECT_KILLED : AA_EFFECT_SUSPENDED;
}

/* Records a denial (or what would be one) and gives the hook's return value. */
static __always_inline int refuse(void *ctx, struct aa_scratch *s, const struct subject *subject, u32 action,
				  struct judgement j, enum aa_place place)
{
	u32 effect = carry_out(subject->agent, verdict_of(j.decision), subject->observes);
	u32 kills = effect == AA_EFFECT_KILLED;

	if (place == AA_AT_EXEC && !subject->observes) {
		kills = 1;
		if (effect == AA_EFFECT_DENIED)
			effect = AA_EFFECT_KILLED;
	}
	fill_event(s, subject, action, j.decision, j.reason, effect);
	if (place == AA_AT_EXEC)
		s->event.errno_returned = 0;
	s->event.object_flags = s->object.flags;
	add_stack(ctx, s, place);
	send_for(subject, s, AA_RING_DECISIONS);
	if (place != AA_AT_SOCKET && kills)
		bpf_send_signal(AA_SIGKILL);
	return subject->observes ? 0 : eperm();
}

static __always_inline void record_allowed(struct aa_scratch *s, const struct subject *subject, u32 action, u32 decision)
{
	fill_event(s, subject, action, decision, reason_of(decision), AA_EFFECT_ALLOWED);
	s->event.object_flags = s->object.flags;
	send_for(subject, s, AA_RING_ACTIVITY);
}

/* Whether it waits: for a person, or for the sensor to read a program. */
static __always_inline int asks(const struct subject *subject, u32 decision)
{
	return verdict_of(decision) == AA_ASK && !subject->barred && subject->identity && subject->policy && !subject->observes;
}

/*
 * Asks, or does as was answered. The hook's return value. Not AA_AT_SOCKET.
 * The record comes before the signal: a hold that could not be recorded would never be answered, so it is a denial. An
 * answer that overtakes the signal is told to the process again (daemon/gateway/src/approvals.rs).
 */
static __always_inline int ask(void *ctx, struct aa_scratch *s, const struct subject *subject, u32 action, struct judgement j,
			       enum aa_place place)
{
	u32 answer = AA_DENY | AA_REASON_UNREADABLE_PATH << AA_ANSWER_REASON_SHIFT;
	u32 reads = j.reason == AA_REASON_UNREADABLE_CONTENT;

	s->event.object_flags = s->object.flags;
	if (!digest_action(s, subject->agent, subject->policy->generation, action))
		answer = find_answer(s, subject->identity, action, reads ? AA_DENY : subject->policy->otherwise,
				     subject->fault);
	if (!answer) {
		fill_event(s, subject, action, j.decision, reads ? j.reason : AA_REASON_ASKED, AA_EFFECT_HELD);
		add_stack(ctx, s, place);
		if (send_for(subject, s, AA_RING_DECISIONS))
			return eperm();
		if (!bpf_send_signal_thread(AA_SIGSTOP)) {
			subject->identity->held = 1;
			return restart();
		}
		answer = AA_DENY | AA_REASON_CANNOT_WAIT << AA_ANSWER_REASON_SHIFT;
	}
	j.reason = answer >> AA_ANSWER_REASON_SHIFT;
	if ((answer & AA_ANSWER_VERDICT) == AA_ALLOW) {
		fill_event(s, subject, action, j.decision, j.reason, AA_EFFECT_ALLOWED);
		return send_for(subject, s, AA_RING_DECISIONS) ? eperm() : 0;
	}
	return refuse(ctx, s, subject, action, j, place);
}

/* The end of a judgement whose scratch is filled: releases it. */
static __always_inline int conclude_at(void *ctx, struct aa_scratch *s, const struct subject *subject, u32 action,
				       struct judgement j, enum aa_place place)
{
	int ret = 0;

	judge_barred(subject, &j);
	if (place == AA_AT_EXEC && asks(subject, j.decision))
		j.reason = AA_REASON_CANNOT_WAIT;
	if (place != AA_AT_EXEC && asks(subject, j.decision))
		ret = ask(ctx, s, subject, action, j, place);
	else if (!passes(j.decision))
		ret = refuse(ctx, s, subject, action, j, place);
	else if (verdict_of(j.decision) == AA_ALLOW && subject->records)
		record_allowed(s, subject, action, j.decision);
	release_scratch(s);
	return ret;
}

static __always_inline int conclude(void *ctx, struct aa_scratch *s, const struct subject *subject, u32 action,
				    struct judgement j)
{
	return conclude_at(ctx, s, subject, action, j, AA_AT_HOOK);
}

/* Refuses what has no object but these numbers. */
static __always_inline int refuse_numbers(void *ctx, const struct subject *subject, u32 action, struct judgement j,
					  u32 other_pid, u32 family, u32 type, u32 protocol, enum aa_place place)
{
	struct aa_scratch *s = claim_scratch(subject);

	if (!s)
		return subject->observes ? 0 : eperm();
	reset_event(s);
	s->event.other_pid = other_pid;
	s->event.family = family;
	s->event.socket_type = type;
	s->event.protocol = protocol;

	int ret = refuse(ctx, s, subject, action, j, place);

	release_scratch(s);
	return ret;
}

static __always_inline int refuse_judged(void *ctx, const struct subject *subject, u32 action, struct judgement j,
					 u32 other_pid, u32 family, u32 type, u32 protocol)
{
	return refuse_numbers(ctx, subject, action, j, other_pid, family, type, protocol, AA_AT_HOOK);
}

/* The same where no rule says so: containment, a missing policy. */
static __always_inline int refuse_outright(void *ctx, const struct subject *subject, u32 action, u32 reason, u32 other_pid,
					   u32 family, u32 type, u32 protocol)
{
	struct judgement j = { .decision = DECISION_CLOSED, .reason = reason };

	judge_barred(subject, &j);
	return refuse_judged(ctx, subject, action, j, other_pid, family, type, protocol);
}

/* The decisions of all columns for what the path automaton said of a whole name. */
static __always_inline void take_decisions(struct aa_text *text, const u8 *pool, const struct aa_policy *policy, u32 state)
{
	u32 accept = pool_word(pool, state);
	u32 at = policy->paths.accepts + (accept & ~AA_ACCEPT_GUARDED) * AA_COLUMNS * sizeof(u32);

	text->guarded = (accept & AA_ACCEPT_GUARDED) != 0;
	for (u32 i = 0; i < AA_COLUMNS; i++)
		text->columns[i] = pool_word(pool, at + i * sizeof(u32));
}

/*
 * The decisions of all columns for a text whose bytes are in place, and the state before its last component. Returns 0,
 * or -1 without the pool.
 */
__noinline int decide_text(struct aa_text *text, struct aa_policy *policy)
{
	u8 *pool = pool_bytes();

	if (!pool || !text || !policy)
		return -1;

	u32 end = text->start + text->length;
	u32 last = text->last < text->length ? end - text->last - 1 : text->start;

	text->below = walk_automaton(text, policy->paths.classes, policy->paths.start, text->start, last);
	take_decisions(text, pool, policy, walk_automaton(text, policy->paths.classes, text->below, last, end));
	return 0;
}

/* The same for the object at `dentry` in a directory whose state is known: its last component is read and walked. */
__noinline int decide_below(struct aa_text *text, struct aa_policy *policy, u64 dentry, u32 state)
{
	u8 *pool = pool_bytes();

	if (!pool || !text || !policy || read_last(text, dentry))
		return -1;
	state = walk_automaton(text, policy->paths.classes, state, text->start, AA_PATH_BYTES - 1);
	take_decisions(text, pool, policy, state);
	return 0;
}

/*
 * Names the object at (dentry, vfsmount) into `text` and decides all columns for it. Where it was reached by a bind
 * mount or from another mount namespace, what is written about its first name counts too. Returns 0 or an aa_reason.
 */
__noinline int judge_path(struct aa_scratch *s, struct aa_policy *policy, u64 dentry, u64 vfsmount, u32 second)
{
	if (!s || !policy)
		return AA_REASON_NO_POLICY;

	struct aa_text *text = second ? &s->second : &s->object;

	if (read_path(text, dentry, vfsmount)) {
		count_loss(AA_LOSS_PATH);
		text->length = 0;
		return AA_REASON_UNREADABLE_PATH;
	}
	if (decide_text(text, policy))
		return AA_REASON_NO_POLICY;
	if (text->flags & AA_OBJECT_ALIASED) {
		/* The executable's text is filled only when a record is sent: free until then. */
		struct aa_text *first_name = &s->executable;

		if (read_canonical_path(first_name, dentry) || decide_text(first_name, policy)) {
			count_loss(AA_LOSS_PATH);
			return AA_REASON_UNREADABLE_PATH;
		}
		for (u32 i = 0; i < AA_DECIDED_COLUMNS; i++)
			text->columns[i] = stricter_if_written(text->columns[i], first_name->columns[i]);
		text->columns[AA_COLUMN_LABELS] |= first_name->columns[AA_COLUMN_LABELS];
		text->columns[AA_COLUMN_LABELLED_BY] = text->columns[AA_COLUMN_LABELLED_BY] ?: first_name->columns[AA_COLUMN_LABELLED_BY];
		text->guarded |= first_name->guarded;
	}
	return 0;
}

/* Decides all columns for the object `dentry` behind `mount` by its whole path, into s->object. Returns 0 or an aa_reason. */
static __always_inline int judge_object_afresh(struct aa_scratch *s, const struct subject *subject, struct dentry *dentry,
					       struct vfsmount *mount)
{
	if (subject->fault == AA_FAULT_PATH)
		return AA_REASON_UNREADABLE_PATH;
	s->object.vfsmount = address_of(subject->identity, mount);
	s->object.dentry = address_of(subject->identity, dentry);
	return judge_path(s, subject->policy, s->object.dentry, s->object.vfsmount, 0);
}

/*
 * Decides all columns for the object `dentry` behind `mount`, into s->object (or s->second): from the state of its
 * directory where that is known, else by its whole path, and then the directory's state is known. Returns 0 or an
 * aa_reason.
 */
static __always_inline int judge_object(struct aa_scratch *s, const struct subject *subject, struct dentry *dentry,
					struct vfsmount *mount, u32 second)
{
	struct aa_text *text = second ? &s->second : &s->object;
	struct aa_policy *policy = subject->policy;
	struct dentry *parent = dentry->d_parent;
	u64 vfsmount = address_of(subject->identity, mount);
	u64 address = address_of(subject->identity, dentry);
	u64 tag = current_tag(policy->generation), hash = 0;
	struct aa_directory *known = 0;
	int reason;

	if (subject->fault == AA_FAULT_PATH)
		return AA_REASON_UNREADABLE_PATH;
	text->dentry = address;
	text->vfsmount = vfsmount;
	/* The last component of a mount's root is the name of the mount point, which lies in another directory. */
	if (tag && dentry != mount->mnt_root && dentry != parent && !(dentry->d_flags & AA_DCACHE_OP_REVALIDATE))
		hash = directory_hash(parent->d_inode, place_of(subject->identity, mount), tag);
	if (hash)
		known = directory_entry(hash);
	if (known) {
		u64 state = known->state;

		if (known->check == check_of(hash, state))
			return decide_below(text, policy, address, state) ? AA_REASON_UNREADABLE_PATH : 0;
	}
	reason = judge_path(s, policy, address, vfsmount, second);
	if (known && !reason && !(text->flags & AA_OBJECT_ALIASED)) {
		known->check = check_of(hash, text->below);
		known->state = text->below;
	}
	return reason;
}

#endif
