//! From a window to the entries that have it, and from a byte to the sets that have it.

use super::Entry;
use crate::charset::Charset;

/// A window and the place of its first entry.
#[derive(Clone, Copy)]
struct Head {
    gram: u32,
    from: u32,
}

const NONE: Head = Head {
    gram: 0,
    from: u32::MAX,
};

/// A table with linear probing, at most two thirds full.
pub(super) struct Heads {
    slots: Vec<Head>,
    shift: u32,
}

impl Heads {
    /// Of entries in order of their windows.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let count = entries.chunk_by(|a, b| a.gram == b.gram).count();
        let bits = (count + count / 2).next_power_of_two().trailing_zeros().max(1);
        let mut heads = Self {
            slots: vec![NONE; 1 << bits],
            shift: 32 - bits,
        };
        let mut from = 0;
        for run in entries.chunk_by(|a, b| a.gram == b.gram) {
            if let Some(entry) = run.first() {
                heads.put(Head { gram: entry.gram, from });
            }
            from += u32::try_from(run.len()).unwrap_or(0);
        }
        heads
    }

    fn put(&mut self, head: Head) {
        let (mut slot, last) = (self.slot(head.gram), self.slots.len() - 1);
        while self.at(slot).from != NONE.from {
            slot += 1;
        }
        if let Some(place) = self.slots.get_mut(slot & last) {
            *place = head;
        }
    }

    #[inline]
    fn slot(&self, gram: u32) -> usize {
        (gram.wrapping_mul(0x85EB_CA6B) >> self.shift) as usize
    }

    #[inline]
    fn at(&self, slot: usize) -> Head {
        self.slots.get(slot & (self.slots.len() - 1)).copied().unwrap_or(NONE)
    }

    /// The place of the first entry that has a window.
    #[inline]
    pub(super) fn first(&self, gram: u32) -> Option<usize> {
        let mut slot = self.slot(gram);
        loop {
            let head = self.at(slot);
            if head.from == NONE.from {
                return None;
            }
            if head.gram == gram {
                return Some(head.from as usize);
            }
            slot += 1;
        }
    }
}

/// Sets by number, 0 for any byte: for each byte, the sets it is in.
pub(super) struct Sets {
    of: Box<[u64; 256]>,
    known: Vec<&'static Charset>,
}

impl Sets {
    pub(super) fn new() -> Self {
        Self {
            of: Box::new([1; 256]),
            known: Vec::new(),
        }
    }

    /// The number of a set; beyond what there are numbers for it is any byte's, and is asked for where the literal is.
    pub(super) fn number(&mut self, set: &'static Charset) -> u8 {
        let known = self.known.iter().position(|other| std::ptr::eq(*other, set));
        let number = known.unwrap_or(self.known.len()) + 1;
        if number > 63 {
            return 0;
        }
        if known.is_none() {
            self.known.push(set);
            for (byte, sets) in (0..=u8::MAX).zip(self.of.iter_mut()) {
                *sets |= u64::from(set.has(byte)) << number;
            }
        }
        u8::try_from(number).unwrap_or(0)
    }

    #[inline]
    pub(super) fn has(&self, number: u8, byte: u8) -> bool {
        let sets = self.of.get(usize::from(byte)).copied().unwrap_or(1);
        (sets >> (number & 63)) & 1 != 0
    }
}
