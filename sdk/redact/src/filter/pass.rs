//! The innermost loop.

use super::{FOLD, Marks, SLOTS, STRIDE, has, hash, shifted};

/// Bytes of a step: eight probes in three loads, the last of which reaches beyond.
const BLOCK: usize = 16;
const LOADED: usize = 20;

type Bitmap = [u64; SLOTS / 64];

/// The next block with a probe that the bitmap says yes to; without bits where there is no whole block any more. Not inlined, so that
/// the loop has all registers.
#[inline(never)]
pub(super) fn next_marked(bitmap: &Bitmap, text: &[u8], from: usize) -> Marks {
    let mut at = from;
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<LOADED>) {
        let grams = grams(block);
        let next = at + STRIDE * grams.len();
        // Which of them it was is asked when it was one: that is one block in ten.
        let any = grams.iter().fold(0, |any, gram| any | shifted(bitmap, hash(*gram)));
        if any & 1 != 0 {
            let bits = places(bitmap, block);
            return Marks { at, bits, next };
        }
        at = next;
    }
    Marks::from(at)
}

/// One bit for each probe that the bitmap says yes to.
#[inline(never)]
fn places(bitmap: &Bitmap, block: &[u8; LOADED]) -> u32 {
    let place = |(place, gram): (usize, &u32)| u32::from(has(bitmap, hash(*gram))) << place;
    grams(block)
        .iter()
        .enumerate()
        .map(place)
        .fold(0, |bits, bit| bits | bit)
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the four low bytes are wanted")]
fn grams(block: &[u8; LOADED]) -> [u32; BLOCK / STRIDE] {
    let word = |from: usize| {
        let bytes = block.get(from..).and_then(<[u8]>::first_chunk::<8>);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let (a, b, c) = (word(0) | FOLD, word(6) | FOLD, word(12) | FOLD);
    [a, a >> 16, a >> 32, b, b >> 16, b >> 32, c, c >> 16].map(|gram| gram as u32)
}
