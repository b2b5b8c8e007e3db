// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whether a task that is being made still has the storage of the one it is copied from: see src/forking.rs. */
#include "../lib/core.bpf.h"

AA_LICENSE;

/* The process that tries it. Written by it before this is loaded. */
const volatile u32 process = 0;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u32);
} held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} found SEC(".maps");

/* What the first of these calls of a thread gives it, the second looks for in the copy. */
SEC("fentry/copy_creds")
int BPF_PROG(look_at_copy, struct task_struct *copy)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 zero = 0;
	u32 *result = bpf_map_lookup_elem(&found, &zero);

	if (bpf_get_current_pid_tgid() >> 32 != process || !result)
		return 0;
	if (task->bpf_storage)
		*result = copy->bpf_storage ? AA_FORK_SHARES : AA_FORK_APART;
	else
		bpf_task_storage_get(&held, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}
