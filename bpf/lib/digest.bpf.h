/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keyed digests: SipHash-2-4 (Aumasson and Bernstein, 2012) under a key drawn by the sensor that no governed process
 * can learn. Who shares memory with a stopped process may change its arguments at will; without the key it cannot look
 * for others of the same digest.
 */
#ifndef AA_DIGEST_BPF_H
#define AA_DIGEST_BPF_H

#include "scratch.bpf.h"

enum aa_digest_limits {
	AA_DIGEST_WORDS = 64, /* a piece of a text: see AA_PIECE */
};

static __always_inline u64 rotate_left(u64 word, u32 bits)
{
	return word << bits | word >> (64 - bits);
}

static __always_inline void sip_round(u64 *v)
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] = rotate_left(v[2], 32);
}

static __always_inline void absorb_word(struct aa_sip *sip, u64 word)
{
	u64 v[4] = { sip->v[0], sip->v[1], sip->v[2], sip->v[3] ^ word };

	sip_round(v);
	sip_round(v);
	sip->v[0] = v[0] ^ word;
	sip->v[1] = v[1];
	sip->v[2] = v[2];
	sip->v[3] = v[3];
}

/* -1 without a key: then there is no digest, which denies. */
static __always_inline int begin_digest(struct aa_sip *sip)
{
	u32 zero = 0;
	struct aa_hold *hold = bpf_map_lookup_elem(&holds, &zero);

	if (!hold || !(hold->key[0] | hold->key[1]))
		return -1;
	sip->v[0] = hold->key[0] ^ 0x736f6d6570736575ULL;
	sip->v[1] = hold->key[1] ^ 0x646f72616e646f6dULL ^ 0xee;
	sip->v[2] = hold->key[0] ^ 0x6c7967656e657261ULL;
	sip->v[3] = hold->key[1] ^ 0x7465646279746573ULL;
	return 0;
}

/* The next 64 bits of the digest; `tweak` is 0xee the first time and 0xdd the second. */
static __always_inline u64 end_digest(struct aa_sip *sip, u64 tweak)
{
	u64 v[4] = { sip->v[0], sip->v[1], sip->v[2], sip->v[3] };

	if (tweak == 0xee)
		v[2] ^= tweak;
	else
		v[1] ^= tweak;
	for (u32 i = 0; i < 4; i++)
		sip_round(v);
	sip->v[0] = v[0];
	sip->v[1] = v[1];
	sip->v[2] = v[2];
	sip->v[3] = v[3];
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Up to AA_DIGEST_WORDS words of the text, from its byte `from` on; the last one filled up with zeroes. */
__noinline int absorb_piece(struct aa_sip *sip, struct aa_text *text, u32 from)
{
	if (!sip || !text)
		return -1;

	u32 left = text->length - from;
	u32 at = text->start + from;

	for (u32 i = 0; i < AA_DIGEST_WORDS; i++) {
		u64 word = *(u64 *)&text->bytes[at & (AA_PATH_BYTES - 1)];

		if (left < 8) {
			if (left)
				absorb_word(sip, word & ((1ULL << (left * 8 & 63)) - 1));
			break;
		}
		absorb_word(sip, word);
		at += 8;
		left -= 8;
	}
	return 0;
}

/* A text, after its length: two texts in a row are never taken for others. */
__noinline int absorb_text(struct aa_sip *sip, struct aa_text *text)
{
	if (!sip || !text)
		return -1;
	absorb_word(sip, text->length);
	for (u32 from = 0; from < AA_PATH_BYTES; from += AA_DIGEST_WORDS * 8) {
		if (from >= text->length)
			break;
		absorb_piece(sip, text, from);
	}
	return 0;
}

/* A text alone, in 64 bits; never 0. */
__noinline u64 hash_text(struct aa_sip *sip, struct aa_text *text)
{
	if (!sip || !text || begin_digest(sip))
		return 1;
	absorb_text(sip, text);
	return end_digest(sip, 0xee) | 1;
}

#endif
