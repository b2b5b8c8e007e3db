/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps every object shares. The loader creates them once, with the first object, and the others reuse them by
 * file descriptor; all are pinned, so that they outlive the sensor.
 */
#ifndef AA_MAPS_BPF_H
#define AA_MAPS_BPF_H

#include "core.bpf.h"

/* Who a task is. Written by task_alloc, exec selectors, the adoption iterator and (by pidfd) the sensor. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aa_identity);
} identities SEC(".maps");

/* Cached verdicts of an inode. Written by the judge, emptied by rename and link. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aa_inode_cache);
} inode_verdicts SEC(".maps");

/*
 * What was done to which inode not long ago, by a hash. Only a hint: making an inode's storage costs more than judging
 * most files once, so a file gets its cells when it comes a second time; and that it is opened is recorded the first.
 */
enum aa_sight_limits {
	AA_SIGHTS = 16384,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_SIGHTS);
	__type(key, u32);
	__type(value, u32);
} sights SEC(".maps");

/*
 * The path automaton's state behind a directory's name, by a hash of the directory; see lib/cache.bpf.h. Written and
 * read by the judge.
 */
enum aa_directory_limits {
	AA_DIRECTORIES = 16384,
};

struct aa_directory {
	u64 check; /* says for which directory, policy and time `state` holds */
	u64 state;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_DIRECTORIES);
	__type(key, u32);
	__type(value, struct aa_directory);
} directories SEC(".maps");

/* Who opened a socket. Written at socket creation and at the first addressed send. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aa_socket_owner);
} socket_owners SEC(".maps");

/* Labels of files. Written and read by progs/labels.bpf.c; gone with the inode, so a file whose inode was evicted has none. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aa_inode_labels);
} inode_labels SEC(".maps");

/* Labels of pipes by their inode: programs at splice may not use inode storage. Deleted with the inode. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_MAX_PIPE_LABELS);
	__type(key, u64);
	__type(value, u32);
} pipe_labels SEC(".maps");

/* Index: agent. What those of its processes carry that share memory as no hook sees it. The sensor empties it for a new agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_AGENTS);
	__type(key, u32);
	__type(value, u32);
} shared_labels SEC(".maps");

/* Index: bit. Written by the sensor. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_LABELS);
	__type(key, u32);
	__type(value, struct aa_label_name);
} label_names SEC(".maps");

/* Index: agent. Written by the sensor. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_AGENTS);
	__type(key, u32);
	__type(value, struct aa_agent);
} agents SEC(".maps");

/* Index: slot. Written by the sensor: one word swaps a policy. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_SLOTS);
	__type(key, u32);
	__type(value, struct aa_slot);
} policy_slots SEC(".maps");

/* Index: policy. Written by the sensor before a slot names it, never while one does. Index 0 is unused. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_POLICIES);
	__type(key, u32);
	__type(value, struct aa_policy);
} policies SEC(".maps");

/* Index: slot. Until when its policy is open, if that has hours: boot time. Written by the sensor; nobody else opens. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_SLOTS);
	__type(key, u32);
	__type(value, u64);
} openings SEC(".maps");

/* Index: agent times AA_RATES plus class. When the bucket would be full again: boot time. Written by lib/rate.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_AGENTS * AA_RATES);
	__type(key, u32);
	__type(value, u64);
} buckets SEC(".maps");

/* Canonical addresses of all resident policies, the generation first in the key. Sensor writes. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_MAX_ADDRESSES);
	__type(key, struct aa_address_key);
	__type(value, struct aa_address_value);
} address_rules SEC(".maps");

/*
 * Automata, decision tables and port ranges of all resident policies: one value, mapped writable by the sensor alone,
 * which builds a generation beside those in use. The loader sets the real value size: a power of two, and the slack.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(u32));
	__uint(value_size, (1 << 16) + AA_POOL_SLACK_BYTES);
} automaton_pool SEC(".maps");

/* Which bits of a place are in the pool: its bytes minus one, word by word. The loader sets it with the map's size. */
const volatile u32 pool_mask = ((1 << 14) - 1) * 4;

/* Whether the programs are attached by fmod_ret and not as the LSM's. The loader sets it; the verifier drops the other way. */
const volatile u32 by_fmod_ret SEC(".rodata.way") = 0;

/* Selectors by uid and by cgroup id: the slot whose policy governs, plus one. Sensor writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u32);
} user_selectors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u32);
} cgroup_selectors SEC(".maps");

/* Mount points by device number, for objects reached under another name. Sensor writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct aa_mount);
} mount_points SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct aa_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct aa_world);
} world SEC(".maps");

/* Answers, until the thread they are for takes them. Written by the sensor, deleted by lib/hold.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, AA_MAX_GRANTS);
	__type(key, struct aa_grant_key);
	__type(value, struct aa_grant);
} grants SEC(".maps");

/* Whether anybody takes answers, and the key of the digests. Written by the sensor. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct aa_hold);
} holds SEC(".maps");

/* What lookups were answered with. Written by the sensor before the answer is given, expired ones removed by it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_MAX_BINDINGS);
	__type(key, struct aa_binding_key);
	__type(value, struct aa_binding);
} name_bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct aa_resolver);
} resolvers SEC(".maps");

/* See enum aa_askers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_MAX_ASKERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} askers SEC(".maps");

/* Records by the value of their loss. The gateway reads them by mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} decisions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} activity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} plaintext SEC(".maps");

/* Per cpu: records written to each ring so far, so that a hole is seen. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} sequences SEC(".maps");

/* Losses by cause (enum aa_loss), per cpu. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps");

/* Destinations already recorded for an agent, so that activity holds each once per policy generation. */
struct aa_seen_key {
	u32 agent;
	u32 generation;
	struct aa_destination destination;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct aa_seen_key);
	__type(value, u32);
} seen_destinations SEC(".maps");

static __always_inline void count_loss(u32 cause)
{
	u64 *count = bpf_map_lookup_elem(&losses, &cause);

	if (count)
		__sync_fetch_and_add(count, 1);
}

#endif
