//! Answers to questions of what is about to be sent inside TLS: a table that the gateway writes by mmap, without any privilege, and
//! the kernel programs read while the caller waits (`lib/leak.bpf.h`).

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::abi;

/// One entry; the layout of `struct aa_tls_answer`.
#[repr(C)]
struct Entry {
    question: AtomicU64,
    decision: AtomicU32,
    _pad: AtomicU32,
}

const ENTRIES: usize = abi::AA_TLS_ANSWERS as usize;
const BYTES: NonZeroUsize = NonZeroUsize::new(ENTRIES * size_of::<Entry>()).unwrap();
const _: () = assert!(size_of::<Entry>() == size_of::<abi::aa_tls_answer>());

/// The table, mapped for writing.
#[derive(Debug)]
pub struct Answers {
    start: NonNull<Entry>,
    // Held as long as the memory is mapped.
    _descriptor: OwnedFd,
}

// SAFETY: the memory is accessed by atomics alone, and stays mapped until the value is dropped.
unsafe impl Send for Answers {}

impl Answers {
    /// Maps the table.
    ///
    /// # Errors
    /// What the kernel said: the descriptor is no such table, or too small a one.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address the kernel chooses; it aliases nothing of ours.
        let start = unsafe { mmap(None, BYTES, protection, MapFlags::MAP_SHARED, &descriptor, 0)? };
        Ok(Self {
            start: start.cast(),
            _descriptor: descriptor,
        })
    }

    /// Answers: the decision as records have it. Who waits goes on at once.
    pub fn give(&self, question: u64, decision: u32) {
        let place = usize::try_from(question % ENTRIES as u64).unwrap_or_default();
        // SAFETY: the place is within the mapping, whose entries are aligned.
        let entry = unsafe { self.start.add(place).as_ref() };
        entry.decision.store(decision, Ordering::Relaxed);
        // The kernel reads it first.
        entry.question.store(question, Ordering::Release);
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and nobody holds a reference into it.
        if let Err(error) = unsafe { munmap(self.start.cast::<c_void>(), BYTES.get()) } {
            // The address space ends with the process.
            debug_assert!(false, "cannot unmap: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use nix::sys::memfd::{MFdFlags, memfd_create};
    use zerocopy::FromBytes;

    use super::*;

    #[test]
    fn an_answer_lies_where_the_kernel_looks_for_it() {
        let table = memfd_create("answers", MFdFlags::empty()).unwrap();
        let file = std::fs::File::from(table.as_fd().try_clone_to_owned().unwrap());
        file.set_len(BYTES.get() as u64).unwrap();
        Answers::new(table).unwrap().give((7 << 12) + 5, 0x10b);
        let mut bytes = [0; size_of::<abi::aa_tls_answer>()];
        let place = 5 * bytes.len() as u64;
        file.read_exact_at(&mut bytes, place).unwrap();
        let answer = abi::aa_tls_answer::read_from_bytes(&bytes).unwrap();
        assert_eq!((answer.question, answer.decision), ((7 << 12) + 5, 0x10b));
    }
}
