/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one matching engine in the kernel: a dense automaton walked over a bounded buffer, resumable by state.
 *
 * User space builds it from all patterns of a policy at once; see abi/policy.h for the layout of the pool. A walk is
 * one class lookup and one transition per byte. Every place is masked to the pool, so the worst a corrupt table can
 * do is give a wrong verdict of this very policy, never read outside of it.
 */
#ifndef AA_AUTOMATON_BPF_H
#define AA_AUTOMATON_BPF_H

#include "scratch.bpf.h"

static __always_inline u8 *pool_bytes(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&automaton_pool, &zero);
}

static __always_inline u32 pool_word(const u8 *pool, u32 place)
{
	return *(u32 *)(pool + (place & pool_mask));
}

static __always_inline u32 next_state(const u8 *pool, const u16 *class_of, u32 state, u8 byte)
{
	return pool_word(pool, state + class_of[byte]);
}

/* At most AA_PIECE bytes of the walk below. Eight bytes are loaded at once: loads cost more than shifts. */
__noinline u32 walk_piece(struct aa_text *text, u32 classes, u32 state, u32 from, u32 to)
{
	u8 *pool = pool_bytes();

	if (!pool || !text)
		return 0;

	const u16 *class_of = (u16 *)(pool + (classes & pool_mask));

	for (u32 i = 0; i < AA_PIECE; i += 8) {
		u64 bytes = *(u64 *)&text->bytes[(from + i) & (AA_PATH_BYTES - 1)];
		u32 left = to - from - i;

		if (from + i >= to)
			break;
#pragma unroll
		for (u32 k = 0; k < 8; k++) {
			if (k == left)
				return state;
			state = next_state(pool, class_of, state, bytes);
			bytes >>= 8;
		}
	}
	return state;
}

/* Walks text->bytes[from..to) from `state` and returns the state reached; state 0 is dead and stays so. */
__noinline u32 walk_automaton(struct aa_text *text, u32 classes, u32 state, u32 from, u32 to)
{
	if (!text)
		return 0;
	for (u32 i = 0; i < AA_PATH_BYTES; i += AA_PIECE) {
		if (from >= to)
			break;
		state = walk_piece(text, classes, state, from, to);
		from += AA_PIECE;
	}
	return state;
}

#endif
