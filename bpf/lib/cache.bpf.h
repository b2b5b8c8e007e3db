/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts cached in inode storage, so that a path is walked once and an open then costs a lookup.
 *
 * A cell is one 64-bit word, so that no reader ever sees half of it:
 *
 *   bits 0-2 verdict, 3 explicit, 4-19 rule + 1, 20-35 policy generation, 36-63 epoch
 *
 * and is stored xored with a mix of the place it was reached at (place_of()): the same inode behind another mount, or from
 * another mount namespace, has another name, and there the cell does not decode. The epoch rises when any directory moves or any mount changes. A regular
 * file with several hard links has several names and is never cached; rename and link empty the cells. Nothing is
 * cached where others than this kernel rename (d_revalidate: network file systems, /proc).
 *
 * Of directories there is also the state their name leaves the path automaton in. What lies in one is then judged by its
 * last component, without a look at the path. A directory is told by its place, inode number and inode generation, which
 * is unique where the file system draws a generation for every inode it makes: no storage, and nothing to forget, since
 * a directory has one name and the epoch rises when that changes.
 */
#ifndef AA_CACHE_BPF_H
#define AA_CACHE_BPF_H

#include "maps.bpf.h"

enum aa_cell_layout {
	AA_CELL_RULES = 0xffff,
	AA_CELL_GENERATIONS = 0xffff,
	AA_CELL_EPOCHS = 0xfffffff,
};

static __always_inline u64 mix_place(u64 place)
{
	return (place >> 4) * 0x9e3779b97f4a7c15ULL;
}

static __always_inline u64 cell_tag(u32 generation, u32 epoch)
{
	return ((u64)epoch << 36) | ((u64)generation << 20);
}

/* 0 if a verdict of this generation cannot be cached now. */
static __always_inline u64 current_tag(u32 generation)
{
	u32 zero = 0;
	struct aa_world *w = bpf_map_lookup_elem(&world, &zero);

	if (!w || w->epoch >= AA_CELL_EPOCHS || generation > AA_CELL_GENERATIONS)
		return 0;
	return cell_tag(generation, w->epoch);
}

/* The cached decision, or -1. */
static __always_inline s64 decode_cell(u64 cell, u64 tag, u64 place)
{
	u64 plain = cell ^ mix_place(place);

	if (!cell || (plain & ~0xfffffULL) != tag)
		return -1;
	return (plain & 0xf) | ((plain >> 4 & AA_CELL_RULES) << AA_DECISION_RULE_SHIFT);
}

static __always_inline u64 encode_cell(u32 decision, u64 tag, u64 place)
{
	u32 rule = decision >> AA_DECISION_RULE_SHIFT;

	if (rule > AA_CELL_RULES)
		return 0;
	return (tag | (decision & 0xf) | (u64)rule << 4) ^ mix_place(place);
}

static __always_inline u64 mix(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* A hash of the directory as it is now, under the policy and epoch of `tag`; 0 if nothing is kept of it. */
static __always_inline u64 directory_hash(const struct inode *directory, u64 place, u64 tag)
{
	unsigned long magic = directory->i_sb->s_magic;

	if (magic != AA_EXT4_MAGIC && magic != AA_XFS_MAGIC && magic != AA_TMPFS_MAGIC)
		return 0;
	return mix(mix(mix(mix(0, place), directory->i_ino), directory->i_generation), tag);
}

/* The state and what it holds for in one word: an entry read half old, half new does not fit. */
static __always_inline u64 check_of(u64 hash, u64 state)
{
	return hash + (state + 1) * 0xd6e8feb86659fd93ULL;
}

static __always_inline struct aa_directory *directory_entry(u64 hash)
{
	u32 index = (u32)(hash >> 32) & (AA_DIRECTORIES - 1);

	return bpf_map_lookup_elem(&directories, &index);
}

/* Whether this agent did this to the inode not long ago, as far as we remember; remembers it. */
static __always_inline int second_sight(u64 inode_address, u32 agent, u32 generation, u32 action)
{
	u64 who = (u64)agent << 32 | generation << 8 | action;
	u64 hash = (inode_address ^ who * 0xd6e8feb86659fd93ULL) * 0x9e3779b97f4a7c15ULL;
	u32 index = (u32)(hash >> 40) & (AA_SIGHTS - 1);
	u32 *mark = bpf_map_lookup_elem(&sights, &index);
	int again;

	if (!mark)
		return 1;
	again = *mark == (u32)hash;
	*mark = hash;
	return again;
}

static __always_inline void raise_epoch(void)
{
	u32 zero = 0;
	struct aa_world *w = bpf_map_lookup_elem(&world, &zero);

	/* It stays at its end: then nothing is cached any more, which is slower and not weaker. */
	if (w && w->epoch < AA_CELL_EPOCHS)
		__sync_fetch_and_add(&w->epoch, 1);
}

#endif
