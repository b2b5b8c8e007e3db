//! One pass over the text for all literals at once.
//!
//! Every second byte, the four bytes there are hashed into a bitmap that lies in the second-level cache (256 KB). Each literal has put two of its
//! windows there, one for each way the steps can fall on it, and of its windows those that are rarest in agent traffic. So the work per
//! byte does not depend on how many literals there are, until the bitmap fills. Where the bitmap says yes, the window itself is looked up, and
//! what stands around it is compared with each literal that has it.

mod heads;
mod pass;
mod windows;

use crate::charset::Charset;
use heads::{Heads, Sets};

/// Bytes between two probes.
pub(crate) const STRIDE: usize = 2;
/// Bytes looked at in a probe.
const GRAM: usize = 4;
/// Turns capitals into small letters, and does no harm to what else literals are made of: the window is only a hint.
const FOLD: u64 = 0x2020_2020_2020_2020;
const BITS: u32 = 21;
const SLOTS: usize = 1 << BITS;
/// The longest literal; the longest way from a probe back to the start of its literal.
pub(crate) const LITERAL_MAX: usize = 40;

/// A literal to look for.
pub(crate) struct Literal {
    pub(crate) bytes: Vec<u8>,
    /// In any case; `bytes` are in lower case then.
    pub(crate) fold: bool,
    /// What must follow, character by character.
    pub(crate) then: Vec<&'static Charset>,
    /// What must stand before it.
    pub(crate) before: Option<&'static Charset>,
    /// What the engine does at a hit.
    pub(crate) owner: u32,
}

/// A window of a literal, and enough of the literal to refuse most of what is not it without a look elsewhere.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// The first eight bytes of the literal, folded, and which of them it has.
    head: u64,
    mask: u64,
    gram: u32,
    literal: u32,
    /// From the literal's start to the window.
    offset: i8,
    length: u8,
    /// Which sets the byte before the literal and the two behind it must be of, as [`Sets`] counts them.
    before: u8,
    then: [u8; 2],
}

/// The compiled set.
pub(crate) struct Filter {
    bitmap: Box<[u64; SLOTS / 64]>,
    heads: Heads,
    entries: Vec<Entry>,
    sets: Sets,
    literals: Vec<Literal>,
}

/// What the pass came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A probe that some literal may own, at this position.
    Probe(usize),
    /// Nothing up to this position; the next probe is there.
    End(usize),
}

/// Blocks that are marked before the first of them is looked at: two loops without a way out in the middle are faster than one with.
const QUEUE: usize = 64;

/// A block in which the bitmap says yes to something.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Where it begins.
    at: usize,
    /// One bit for each probe of it that has not been looked at yet.
    bits: u32,
}

/// Probes that the bitmap says yes to and that have not been looked at yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    blocks: [Block; QUEUE],
    /// Which of them is looked at, and how many there are.
    current: usize,
    count: usize,
    /// Where the next block begins that has not been marked.
    next: usize,
}

impl Marks {
    /// None yet; the next probe is there.
    pub(crate) fn from(probe: usize) -> Self {
        Self {
            blocks: [Block::default(); QUEUE],
            current: 0,
            count: 0,
            next: probe,
        }
    }

    /// The next probe in the blocks that are marked.
    #[inline]
    fn take(&mut self) -> Option<usize> {
        while self.current < self.count {
            let block = self.blocks.get_mut(self.current)?;
            if block.bits != 0 {
                let place = block.bits.trailing_zeros() as usize;
                block.bits &= block.bits - 1;
                return Some(block.at + place * STRIDE);
            }
            self.current += 1;
        }
        None
    }

    /// A probe in the last bytes, where there are no blocks, was looked at.
    pub(crate) fn pass(&mut self, probe: usize) {
        self.next = self.next.max(probe);
    }
}

impl Filter {
    #[allow(clippy::large_stack_arrays, reason = "256 KB, on its way to the heap, once")]
    pub(crate) fn new(literals: Vec<Literal>) -> Self {
        let (mut entries, sets) = windows::entries(&literals);
        entries.sort_by_key(|entry| (entry.gram, entry.literal, entry.offset));
        entries.dedup_by_key(|entry| (entry.gram, entry.literal, entry.offset));
        let mut bitmap = Box::new([0; SLOTS / 64]);
        for entry in &entries {
            let slot = hash(entry.gram) as usize;
            if let Some(word) = bitmap.get_mut(slot / 64) {
                *word |= 1_u64 << (slot % 64);
            }
        }
        Self {
            bitmap,
            heads: Heads::of(&entries),
            entries,
            sets,
            literals,
        }
    }

    /// Whether a literal may lie around a probe that the bitmap says yes to.
    #[inline]
    fn may(&self, text: &[u8], probe: usize) -> bool {
        let gram = gram_at(text, probe);
        let entries = self.heads.first(gram).and_then(|from| self.entries.get(from..));
        let mut entries = entries
            .unwrap_or_default()
            .iter()
            .take_while(|entry| entry.gram == gram);
        entries.any(|entry| self.begins(text, probe, entry))
    }

    #[inline]
    fn of_gram(&self, gram: u32) -> &[Entry] {
        let entries = self.heads.first(gram).and_then(|from| self.entries.get(from..));
        let entries = entries.unwrap_or_default();
        let count = entries.iter().take_while(|entry| entry.gram == gram).count();
        entries.get(..count).unwrap_or_default()
    }

    /// Goes on from a probe; at the end of the stream also looks at windows that reach beyond it.
    #[inline]
    pub(crate) fn next(&self, text: &[u8], marks: &mut Marks, last: bool) -> Next {
        loop {
            while let Some(at) = marks.take() {
                if self.may(text, at) {
                    return Next::Probe(at);
                }
            }
            pass::mark(&self.bitmap, text, marks);
            if marks.count == 0 {
                return self.tail(text, marks.next, last);
            }
        }
    }

    /// The last bytes, of which there is no whole block.
    fn tail(&self, text: &[u8], from: usize, last: bool) -> Next {
        let mut at = from;
        while at < text.len() && (last || at + GRAM <= text.len()) {
            if has(&self.bitmap, hash(gram_at(text, at))) && self.may(text, at) {
                return Next::Probe(at);
            }
            at += STRIDE;
        }
        Next::End(at)
    }

    /// The literals that may lie around a probe, and how far before the probe each begins (negative: behind it).
    #[inline]
    pub(crate) fn at<'a>(&'a self, text: &'a [u8], probe: usize) -> impl Iterator<Item = (&'a Literal, i32)> + use<'a> {
        self.of_gram(gram_at(text, probe))
            .iter()
            .filter(move |entry| self.begins(text, probe, entry))
            .filter_map(|entry| Some((self.literals.get(entry.literal as usize)?, i32::from(entry.offset))))
    }

    /// Whether the text may have the entry's literal; true where it is too short to tell.
    #[inline]
    fn begins(&self, text: &[u8], probe: usize, entry: &Entry) -> bool {
        let start = probe.wrapping_add_signed(-isize::from(entry.offset));
        let here = text.get(start..).unwrap_or_default();
        let head = here
            .first_chunk::<8>()
            .is_none_or(|bytes| (u64::from_le_bytes(*bytes) | FOLD) & entry.mask == entry.head);
        let (length, [next, second]) = (usize::from(entry.length), entry.then);
        let fits = |at: usize, set: u8| text.get(at).is_none_or(|byte| self.sets.has(set, *byte));
        head && fits(start.wrapping_add(length), next)
            && fits(start.wrapping_add(length + 1), second)
            && fits(start.wrapping_sub(1), entry.before)
    }
}

impl Literal {
    /// Whether it stands at a position; `None` if the text ends before that can be told.
    #[inline]
    pub(crate) fn stands(&self, text: &[u8], at: usize) -> Option<bool> {
        let here = text.get(at..).unwrap_or_default();
        let given = here.get(..self.bytes.len()).unwrap_or(here);
        let same = if self.fold {
            given.iter().zip(&self.bytes).all(|(a, b)| a.to_ascii_lowercase() == *b)
        } else {
            self.bytes.starts_with(given)
        };
        if !same {
            return Some(false);
        }
        if given.len() < self.bytes.len() {
            return None;
        }
        if let Some(set) = self.before
            && at
                .checked_sub(1)
                .and_then(|before| text.get(before))
                .is_some_and(|byte| !set.has(*byte))
        {
            return Some(false);
        }
        let follow = here.get(self.bytes.len()..).unwrap_or_default();
        if follow.iter().zip(&self.then).any(|(byte, set)| !set.has(*byte)) {
            return Some(false);
        }
        (follow.len() >= self.then.len()).then_some(true)
    }
}

#[inline]
fn folded(gram: [u8; GRAM]) -> u32 {
    u32::from_le_bytes(gram) | 0x2020_2020
}

/// The folded window at a position; zeros stand for what is beyond the end.
#[inline]
fn gram_at(text: &[u8], at: usize) -> u32 {
    let here = text.get(at..).unwrap_or_default();
    if let Some(gram) = here.first_chunk::<GRAM>() {
        return folded(*gram);
    }
    let mut gram = [0; GRAM];
    for (to, byte) in gram.iter_mut().zip(here) {
        *to = *byte;
    }
    folded(gram)
}

#[inline]
fn has(bitmap: &[u64; SLOTS / 64], slot: u32) -> bool {
    shifted(bitmap, slot) & 1 != 0
}

/// A slot in the lowest bit.
#[inline]
fn shifted(bitmap: &[u64; SLOTS / 64], slot: u32) -> u64 {
    bitmap.get(slot as usize / 64).copied().unwrap_or(0) >> (slot % 64)
}

#[inline]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9E37_79B1) >> (32 - BITS)
}

#[cfg(test)]
mod tests;
