/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every record begins with. */
#ifndef AA_RECORD_BPF_H
#define AA_RECORD_BPF_H

#include "maps.bpf.h"

enum aa_ring {
	AA_RING_DECISIONS = 0,
	AA_RING_ACTIVITY = 1,
	AA_RING_PLAINTEXT = 2,
};

static __always_inline u64 next_sequence(u32 ring)
{
	u64 *sequence = bpf_map_lookup_elem(&sequences, &ring);

	return sequence ? __sync_fetch_and_add(sequence, 1) + 1 : 0;
}

static __always_inline void fill_head(struct aa_event_head *head, u16 kind, u32 agent, u64 session)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 pid_tgid = bpf_get_current_pid_tgid();

	head->version = AA_EVENT_VERSION;
	head->kind = kind;
	head->ktime_ns = bpf_ktime_get_boot_ns();
	head->cpu = bpf_get_smp_processor_id();
	head->agent = agent;
	head->session = session;
	head->cgroup = bpf_get_current_cgroup_id();
	head->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	head->pid = pid_tgid >> 32;
	head->tid = (u32)pid_tgid;
	head->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	head->uid = (u32)bpf_get_current_uid_gid();
}

#endif
