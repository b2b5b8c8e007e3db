/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who acts: from a task's identity to the policy in force. Three array lookups after one storage lookup. */
#ifndef AA_SUBJECT_BPF_H
#define AA_SUBJECT_BPF_H

#include "scratch.bpf.h"
#include "storage.bpf.h"

struct subject {
	struct aa_identity *identity; /* null where only the socket's owner is known */
	struct aa_policy *policy; /* null: governed, but nothing in force, which denies */
	u64 session;
	u32 agent;
	u32 barred;  /* enum aa_reason why nothing of it passes now; else 0 */
	u32 observes; /* what is denied is only recorded */
	u32 fault;   /* enum aa_fault: what the tests want to fail for this agent */
	u32 records; /* allowed actions are recorded too */
};

/* A task without any storage is told by one load: the helper costs some hundred instructions (6.12). */
static __always_inline struct aa_identity *identity_of(struct task_struct *task)
{
	if (!task->bpf_storage)
		return 0;
	return bpf_task_storage_get(&identities, task, 0, 0);
}

/*
 * A kernel pointer as a number. The verifier refuses arithmetic on a typed pointer and its passing to a global function
 * ("R3 is not a scalar"); stored in a map's memory and read back it is a number. The identity is the task's own, so
 * nobody else writes there.
 */
static __always_inline u64 address_of(struct aa_identity *identity, const void *pointer)
{
	volatile u64 *slot = &identity->address;

	*slot = (u64)pointer;
	return *slot;
}

/* The caller's mount namespace as a number. A global function as is_foreign_mount(): its pointers are followed once. */
__noinline u64 mount_namespace(struct aa_identity *identity)
{
	return identity ? address_of(identity, bpf_get_current_task_btf()->nsproxy->mnt_ns) : 0;
}

/*
 * Where a name holds: behind this mount, for callers in this mount namespace. To those in another one the mount is
 * foreign, and its objects have another name besides.
 */
static __always_inline u64 place_of(struct aa_identity *identity, const struct vfsmount *mount)
{
	u64 namespace = mount_namespace(identity);

	return address_of(identity, mount) + (namespace << 20 | namespace >> 44);
}

enum aa_standing {
	AA_STANDING_BARRED = 0xffff, /* see subject.barred */
	AA_STANDING_OBSERVES = 0x10000,
};

/*
 * What bars an agent with these flags, and whether its policy only observes. No person's mode of a policy makes a switch
 * harmless; that the policy is closed is a verdict of it as any. A global function, since the verifier knows nothing of
 * its result: it would follow each of four constants through all that comes after.
 */
__noinline u32 standing_of(u32 agent_flags, u32 policy_flags, u32 hours, u32 slot)
{
	u32 observes = policy_flags & AA_POLICY_OBSERVE ? AA_STANDING_OBSERVES : 0;

	if (agent_flags)
		return agent_flags & AA_AGENT_KILLED ? AA_REASON_KILLED : AA_REASON_SUSPENDED;
	if (hours) {
		u64 *until = bpf_map_lookup_elem(&openings, &slot);

		if (!until || bpf_ktime_get_boot_ns() >= *until)
			return AA_REASON_HOURS | observes;
	}
	return observes;
}

static __always_inline void subject_of_agent(struct subject *subject, u32 agent_index, u64 session)
{
	subject->identity = 0;
	subject->policy = 0;
	subject->agent = agent_index;
	subject->session = session;
	subject->barred = 0;
	subject->observes = 0;
	subject->fault = AA_FAULT_NONE;
	subject->records = 0;

	u32 zero = 0;
	struct aa_settings *set = bpf_map_lookup_elem(&settings, &zero);
	struct aa_agent *agent = bpf_map_lookup_elem(&agents, &agent_index);

	if (!set || !agent)
		return;
	subject->records = set->record_activity;
	if (set->fault_agent == agent_index)
		subject->fault = set->fault;

	u32 slot_index = agent->slot, flags = 0, hours = 0;
	struct aa_slot *slot = bpf_map_lookup_elem(&policy_slots, &slot_index);

	if (!slot)
		return;

	u32 policy_index = slot->policy;
	struct aa_policy *policy = bpf_map_lookup_elem(&policies, &policy_index);

	if (policy && policy->generation && subject->fault != AA_FAULT_POLICY) {
		subject->policy = policy;
		flags = policy->flags;
		hours = policy->hours;
	}

	u32 standing = standing_of(agent->flags, flags, hours, slot_index);

	subject->barred = standing & AA_STANDING_BARRED;
	subject->observes = standing & AA_STANDING_OBSERVES;
}

/* Working memory for a judgement of this subject; null where all is taken, which denies. */
static __always_inline struct aa_scratch *claim_scratch(const struct subject *subject)
{
	if (subject->fault == AA_FAULT_SCRATCH) {
		count_loss(AA_LOSS_SCRATCH);
		return 0;
	}
	return claim_any_scratch();
}

/* The acting task's subject. Returns 0 for a task nobody governs: the caller leaves at once. */
static __always_inline int current_subject(struct subject *subject)
{
	struct aa_identity *identity = identity_of(bpf_get_current_task_btf());

	if (!identity)
		return 0;
	subject_of_agent(subject, identity->agent, identity->session);
	subject->identity = identity;
	return 1;
}

#endif
