//! Memory shared with the kernel.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Bytes of a page.
pub(crate) fn page_bytes() -> io::Result<usize> {
    let known = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?;
    usize::try_from(known.unwrap_or(4096)).map_err(io::Error::other)
}

/// A mapping of a descriptor.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) address: NonNull<c_void>,
    length: usize,
}

// SAFETY: plain shared memory, with no ties to a thread.
unsafe impl Send for Mapping {}
// SAFETY: shared references lead to positions, which are atomics; the data is the owning ring's to read.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn new(descriptor: &OwnedFd, length: usize, protection: ProtFlags, offset: usize) -> io::Result<Self> {
        let size = NonZeroUsize::new(length).ok_or_else(|| io::Error::other("an empty ring"))?;
        let offset = nix::libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else refers to it.
        let address = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, descriptor, offset)? };
        Ok(Self { address, length })
    }

    /// How far the one this page is of has come: the page's first word.
    pub(crate) fn position(&self) -> &AtomicU64 {
        self.position_at(0)
    }

    /// A position that lies so many bytes from the beginning: a multiple of eight below a page.
    pub(crate) fn position_at(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.length.min(4096),
            "no position is there"
        );
        // SAFETY: an aligned word of the first page, shared with the kernel and accessed by atomics alone.
        unsafe { AtomicU64::from_ptr(self.address.as_ptr().byte_add(offset).cast()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and every reference into it borrows the ring that owns it.
        let unmapped = unsafe { munmap(self.address, self.length) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own can be unmapped");
    }
}
