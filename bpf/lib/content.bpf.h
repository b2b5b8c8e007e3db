/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is in a program, by its SHA-256: read by the kernel (IMA) when the program is about to run, and kept beside its
 * inode until somebody can write to it.
 *
 * Reading sleeps, and judging must not be passed over (before 6.2 a program that sleeps makes others of its kind be), so
 * these are two programs at the same hook: progs/content.bpf.c reads, judge_exec in progs/process.bpf.c looks the hash up.
 * Whatever keeps the first from being run, or from being first, leaves the content unread, which allows nothing.
 *
 * Where the kernel does not read it (it has no IMA, or that hashes otherwise), the program waits as for a person
 * (hold.bpf.h) while the sensor reads the file of that name. It can say only of what was not opened for writing since
 * the question: that takes away the entry, and it changes no more than entries.
 *
 * Nobody writes while it is read: the kernel refuses to run what is open for writing, and to open for writing what is
 * about to run or runs. Where it does not (6.11 until 6.12.2), who writes is counted in i_writecount. Whoever opens a
 * file for writing later, governed or not, has its hash forgotten before the first byte.
 */
#ifndef AA_CONTENT_BPF_H
#define AA_CONTENT_BPF_H

#include "judge.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aa_content);
} contents SEC(".maps");

/* Decisions by policy generation and SHA-256. Sensor writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, AA_MAX_CONTENTS);
	__type(key, struct aa_content_key);
	__type(value, u32);
} content_rules SEC(".maps");

/* Somebody is about to change what is in it. */
static __always_inline void forget_content(struct inode *inode)
{
	if (!by_fmod_ret)
		bpf_inode_storage_delete(&contents, inode);
}

/* Whether what is in a file is what was read of it until somebody writes: others change some file systems' unseen. */
static __always_inline int is_readable(struct file *file, struct inode *inode)
{
	return !(file->f_path.dentry->d_flags & AA_DCACHE_OP_REVALIDATE) && inode->i_size <= AA_LARGEST_READ &&
	       inode->i_writecount.counter <= 0;
}

/*
 * Makes the entry that a reader fills; null where there can be none. In this order: who opens it for writing is counted
 * first, and then has what was made here forgotten.
 */
static __always_inline struct aa_content *content_of(struct file *file, struct inode *inode)
{
	struct aa_content *content;

	if (by_fmod_ret || !is_readable(file, inode))
		return 0;
	content = bpf_inode_storage_get(&contents, inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (content && inode->i_writecount.counter > 0) {
		bpf_inode_storage_delete(&contents, inode);
		return 0;
	}
	return content;
}

/* The decision on a hash. A global function for the stack's sake: an exec is deep in it already. */
__noinline u32 decide_content(struct aa_policy *policy, struct aa_content *content)
{
	struct aa_content_key key = {};
	u32 *found;

	if (!policy || !content)
		return DECISION_CLOSED;
	key.generation = policy->generation;
	__builtin_memcpy(key.digest, content->digest, sizeof(key.digest));
	found = bpf_map_lookup_elem(&content_rules, &key);
	return found ? *found : AA_UNGOVERNED;
}

/*
 * Adds the decision on what is in the program to that on its name and arguments, as with_content() in
 * policies/src/judge.rs. Returns 0, or -1 if it is not known and could matter.
 */
static __always_inline int judge_content(struct aa_policy *policy, struct inode *inode, int has_name, u32 *decision)
{
	struct aa_content *known;
	u32 content;

	if (!policy->contents || verdict_of(*decision) == AA_UNGOVERNED)
		return 0;
	known = by_fmod_ret ? 0 : bpf_inode_storage_get(&contents, inode, 0, 0);
	if (!known || !known->known) {
		int could_deny = (policy->contents & AA_CONTENTS_RESTRICT) && verdict_of(*decision) < AA_DENY;
		int could_allow = has_name && !(*decision & AA_DECISION_EXPLICIT);

		return could_deny || could_allow ? -1 : 0;
	}
	content = decide_content(policy, known);
	if (!has_name)
		*decision = stricter_if_written(*decision, content);
	else if ((content & AA_DECISION_EXPLICIT) && !(*decision & AA_DECISION_EXPLICIT))
		*decision = content;
	else
		*decision = stricter(*decision, content);
	return 0;
}

#endif
