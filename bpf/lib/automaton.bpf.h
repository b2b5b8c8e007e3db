/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one matching engine in the kernel: a dense automaton walked over a bounded buffer, resumable by state.
 *
 * User space builds it from all patterns of a policy at once; see abi/policy.h for the layout of the pool. A walk is
 * one class lookup and one transition per byte. Every index is masked to the pool, so the worst a corrupt table can
 * do is give a wrong verdict of this very policy, never read outside of it.
 */
#ifndef AA_AUTOMATON_BPF_H
#define AA_AUTOMATON_BPF_H

#include "scratch.bpf.h"

static __always_inline u32 *pool_words(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&automaton_pool, &zero);
}

static __always_inline u32 pool_word(u32 *pool, u32 index)
{
	return pool[index & pool_mask];
}

/* At most AA_PIECE bytes of the walk below, from text->bytes[start + from] on. */
__noinline u32 walk_piece(struct aa_text *text, u32 classes, u32 state, u32 from)
{
	u32 *pool = pool_words();

	if (!pool || !text)
		return 0;

	u32 length = text->length - from;
	u32 start = text->start + from;
	u32 class_entries = classes * 2;

	for (u32 i = 0; i < AA_PIECE; i++) {
		if (i >= length)
			break;
		u32 byte = text->bytes[(start + i) & (AA_PATH_BYTES - 1)];
		/* The mask in entries of 16 bits: twice the words, less one. */
		u32 column = ((u16 *)pool)[(class_entries + byte) & (pool_mask * 2 + 1)];

		state = pool[(state + column) & pool_mask];
	}
	return state;
}

/* Walks all of the text from `state` and returns the state reached; state 0 is dead and stays so. */
__noinline u32 walk_automaton(struct aa_text *text, u32 classes, u32 state)
{
	if (!text)
		return 0;
	for (u32 from = 0; from < AA_PATH_BYTES; from += AA_PIECE) {
		if (from >= text->length)
			break;
		state = walk_piece(text, classes, state, from);
	}
	return state;
}

#endif
