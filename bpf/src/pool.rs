//! The automaton pool: one array in the kernel, mapped writable here, shared out in extents of words.
//!
//! A policy's automata, decision tables and port ranges are one extent, written before any slot names the policy, so
//! a reader never sees half of it. Who owns which words is in the `policies` map itself, so that a new sensor can
//! rebuild the free list from there.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Words at the beginning that stay zero: the dead row every corrupt index leads to.
pub const DEAD_WORDS: u32 = 512;

/// The pool has no room.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// No extent is large enough.
    #[error("the automaton pool has no room for {wanted} words; {free} of {capacity} are free")]
    Full {
        /// Words asked for.
        wanted: u32,
        /// Words free, not necessarily in one piece.
        free: u32,
        /// Words in all.
        capacity: u32,
    },
    /// The map could not be mapped.
    #[error("cannot map the automaton pool")]
    Map(#[source] nix::Error),
}

/// A run of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First word.
    pub start: u32,
    /// Length in words.
    pub words: u32,
}

/// The mapped pool and what is taken of it.
#[derive(Debug)]
pub struct Pool {
    words: NonNull<AtomicU32>,
    capacity: u32,
    taken: Vec<Extent>,
}

// SAFETY: the mapping is shared memory accessed through atomics; nothing in it belongs to a thread.
unsafe impl Send for Pool {}

impl Pool {
    /// Maps the pool of `capacity` words behind `map`.
    pub fn new(map: impl AsFd, capacity: u32) -> Result<Self, PoolError> {
        let bytes = NonZeroUsize::new(capacity as usize * 4).ok_or(PoolError::Full {
            wanted: 1,
            free: 0,
            capacity,
        })?;
        // SAFETY: a fresh shared mapping of a map that the kernel keeps while it is mapped.
        let address = unsafe {
            mmap(
                None,
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                map,
                0,
            )
        }
        .map_err(PoolError::Map)?;
        Ok(Self {
            words: address.cast(),
            capacity,
            taken: vec![Extent {
                start: 0,
                words: DEAD_WORDS,
            }],
        })
    }

    /// Marks words as taken that an earlier sensor filled.
    pub fn adopt(&mut self, extent: Extent) {
        if extent.words > 0 {
            self.taken.push(extent);
            self.taken.sort_by_key(|taken| taken.start);
        }
    }

    /// Words in all.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Words taken.
    pub fn used(&self) -> u32 {
        self.taken.iter().map(|extent| extent.words).sum()
    }

    /// Takes an extent and fills it with what `fill` writes, given the extent's first word.
    pub fn store(&mut self, words: u32, fill: impl FnOnce(u32) -> Vec<u32>) -> Result<Extent, PoolError> {
        let start = self.find(words).ok_or(PoolError::Full {
            wanted: words,
            free: self.capacity - self.used(),
            capacity: self.capacity,
        })?;
        let content = fill(start);
        for (index, word) in (start..).zip(content.iter().take(words as usize)) {
            self.word(index).store(*word, Ordering::Relaxed);
        }
        // Whoever then writes the slot makes these words visible first.
        std::sync::atomic::fence(Ordering::Release);
        let extent = Extent { start, words };
        self.adopt(extent);
        Ok(extent)
    }

    /// Gives an extent back. Its words stay as they are: a walk that is still in it reads old verdicts, not garbage.
    pub fn free(&mut self, extent: Extent) {
        self.taken
            .retain(|taken| taken.start != extent.start || extent.start == 0);
    }

    fn find(&self, words: u32) -> Option<u32> {
        let ends = self.taken.iter().map(|extent| extent.start + extent.words);
        let next_starts = self
            .taken
            .iter()
            .skip(1)
            .map(|extent| extent.start)
            .chain([self.capacity]);
        ends.zip(next_starts)
            .find(|(end, next)| next.saturating_sub(*end) >= words)
            .map(|(end, _)| end)
    }

    fn word(&self, index: u32) -> &AtomicU32 {
        let index = index.min(self.capacity - 1);
        // SAFETY: inside the mapping of `capacity` words, aligned, and atomics may alias what the kernel reads.
        unsafe { &*self.words.as_ptr().add(index as usize) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let address: NonNull<c_void> = self.words.cast();
        // SAFETY: the mapping made in `new`, not used after this. A failure leaves it mapped until exit.
        let _ = unsafe { munmap(address, self.capacity as usize * 4) };
    }
}
