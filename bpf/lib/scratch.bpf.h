/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Working memory for one judgement.
 *
 * A per-cpu buffer alone would be a hole: LSM programs run with migration disabled but preemption enabled, so on a
 * preemptible kernel a second task of the same cpu could overwrite a path between reading and judging it. Each cpu has
 * a few buffers and a judgement claims one with an atomic exchange; if all are taken the action is denied and counted.
 */
#ifndef AA_SCRATCH_BPF_H
#define AA_SCRATCH_BPF_H

#include "maps.bpf.h"

enum aa_scratch_limits {
	AA_SCRATCHES_PER_CPU = 4,
	/*
	 * Long loops are cut in pieces, each a global function: the verifier then looks at AA_PIECE rounds once and at
	 * the calls, instead of at every round (4,096 for a path) again in every program.
	 */
	AA_PIECE = 64,
	/* A name may begin at the last byte of the path and be AA_NAME_MAX long: room for the verifier's worst case. */
	AA_NAME_ROOM = 256,
	/* Bytes of a struct dentry from d_parent on: most names lie in them whole. */
	AA_WINDOW_BYTES = 80,
	AA_WINDOW_AT = 8, /* the copy of a name in there may begin up to a word earlier */
	AA_WINDOW_ROOM = 144,
};

/* Addresses found in a struct mount. */
struct aa_mount_view {
	u64 above; /* the mount it is mounted on; itself at the top */
	u64 point; /* the dentry it is mounted at */
	u64 root;  /* its root dentry */
	u64 sb_root; /* its superblock's root dentry */
};

/*
 * A name. `bytes[start..start + length)` is the whole path, or nothing if length is 0: an object that was judged from
 * its directory's state has only its last component there, and its path is read when a record needs it.
 */
struct aa_text {
	u32 start;
	u32 length;
	u32 last;  /* bytes of the last component, without the slash before it; they end at AA_PATH_BYTES - 1 */
	u32 flags; /* enum aa_object_flags */
	u64 cursor;   /* of a walk that is under way */
	u64 dentry;   /* whose name it is */
	u64 vfsmount; /* behind which mount */
	struct aa_mount_view mount; /* of a walk that is under way */
	u32 below;    /* the automaton's state before the last component */
	u32 guarded;  /* a directory: rules protect names below it */
	u32 columns[AA_COLUMNS]; /* decisions, enum aa_path_column */
	u8 window[AA_WINDOW_ROOM]; /* the part of a struct dentry or mount that is being looked at */
	u8 bytes[AA_PATH_BYTES + AA_NAME_ROOM];
};

/* A SipHash under way; see lib/digest.bpf.h. */
struct aa_sip {
	u64 v[4];
};

struct aa_scratch {
	u32 busy;
	u32 index;
	struct aa_sip sip;
	u64 exact[2];	   /* further words of an action's digest: which inode the name led to */
	u64 carry;	   /* lib/hold.bpf.h; 0: the object's name */
	u32 carry_accepts; /* of what earlier answer this is part */
	u32 carry_gives;   /* what an answer to this covers too */
	struct aa_text object;
	struct aa_text second;
	struct aa_text executable; /* read when a record is sent; free for a judgement until then */
	struct aa_event event;
	u8 data[AA_EVENT_DATA_BYTES + AA_PATH_BYTES]; /* one more path of room for the verifier's worst case */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AA_SCRATCHES_PER_CPU); /* the loader sets it to this times the possible cpus */
	__type(key, u32);
	__type(value, struct aa_scratch);
} scratches SEC(".maps");

static __noinline struct aa_scratch *claim_any_scratch(void)
{
	u32 base = bpf_get_smp_processor_id() * AA_SCRATCHES_PER_CPU;

	for (u32 i = 0; i < AA_SCRATCHES_PER_CPU; i++) {
		u32 index = base + i;
		struct aa_scratch *s = bpf_map_lookup_elem(&scratches, &index);

		if (s && __sync_lock_test_and_set(&s->busy, 1) == 0)
			return s;
	}
	count_loss(AA_LOSS_SCRATCH);
	return 0;
}

static __always_inline void release_scratch(struct aa_scratch *s)
{
	__sync_lock_test_and_set(&s->busy, 0);
}

#endif
