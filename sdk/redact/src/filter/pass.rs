//! The innermost loop, and the only unsafe line of the crate.

use super::{Block, FOLD, Marks, SLOTS, STRIDE, has, hash, shifted};

/// Bytes of a step: eight probes in three loads, the last of which reaches beyond.
const BLOCK: usize = 16;
const LOADED: usize = 20;

type Bitmap = [u64; SLOTS / 64];

/// The next blocks with probes that the bitmap says yes to; none where there is no whole block any more.
#[allow(
    unsafe_code,
    reason = "what the compiler must know of the processor to use its instructions"
)]
pub(super) fn mark(bitmap: &Bitmap, text: &[u8], marks: &mut Marks) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("bmi1") && std::arch::is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor was asked whether it has what the function is compiled for; nothing else of it is unsafe.
        return unsafe { with_bmi2(bitmap, text, marks) };
    }
    portable(bitmap, text, marks);
}

/// The same with shifts of one instruction instead of three: a third faster.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn with_bmi2(bitmap: &Bitmap, text: &[u8], marks: &mut Marks) {
    search(bitmap, text, marks);
}

/// Not inlined, so that the loop has all registers.
#[inline(never)]
fn portable(bitmap: &Bitmap, text: &[u8], marks: &mut Marks) {
    search(bitmap, text, marks);
}

#[allow(clippy::inline_always, reason = "compiled once for each processor")]
#[inline(always)]
fn search(bitmap: &Bitmap, text: &[u8], marks: &mut Marks) {
    let (mut at, mut count) = (marks.next, 0);
    // A block is always noted, and kept when the next is noted behind it.
    while let (Some(note), Some(block)) = (
        marks.blocks.get_mut(count),
        text.get(at..).and_then(<[u8]>::first_chunk::<LOADED>),
    ) {
        let any = grams(block)
            .iter()
            .fold(0, |any, gram| any | shifted(bitmap, hash(*gram)));
        note.at = at;
        count += usize::from(any & 1 != 0);
        at += BLOCK;
    }
    // Which of its probes it was is asked of the few that are kept.
    for Block { at, bits } in marks.blocks.iter_mut().take(count) {
        let block = text.get(*at..).and_then(<[u8]>::first_chunk::<LOADED>);
        *bits = block.map_or(0, |block| places(bitmap, block));
    }
    (marks.current, marks.count, marks.next) = (0, count, at);
}

/// One bit for each probe that the bitmap says yes to.
#[allow(clippy::inline_always, reason = "compiled once for each processor")]
#[inline(always)]
fn places(bitmap: &Bitmap, block: &[u8; LOADED]) -> u32 {
    let place = |(place, gram): (usize, &u32)| u32::from(has(bitmap, hash(*gram))) << place;
    grams(block)
        .iter()
        .enumerate()
        .map(place)
        .fold(0, |bits, bit| bits | bit)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled once for each processor")]
#[allow(clippy::cast_possible_truncation, reason = "the four low bytes are wanted")]
fn grams(block: &[u8; LOADED]) -> [u32; BLOCK / STRIDE] {
    let word = |from: usize| {
        let bytes = block.get(from..).and_then(<[u8]>::first_chunk::<8>);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let (a, b, c) = (word(0) | FOLD, word(6) | FOLD, word(12) | FOLD);
    [a, a >> 16, a >> 32, b, b >> 16, b >> 32, c, c >> 16].map(|gram| gram as u32)
}
