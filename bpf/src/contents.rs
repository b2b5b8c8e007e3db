//! What is in programs, told to the kernel by who read it in user space: `aa_content` beside their inodes.

use std::fs::File;
use std::os::fd::AsRawFd;

use libbpf_rs::{MapCore, MapFlags};
use zerocopy::IntoBytes;

use crate::abi;
use crate::load::Kernel;
use crate::tables::TableError;

const MAP: &str = "contents";

/// Whether the kernel must have asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Only if it asked, and nobody opened the file for writing since: else what was read may be something else by now.
    StillAsked,
    /// In any case: nobody else knows of the file.
    Now,
}

/// Whether the kernel asked what is in a file, which may be open as a place alone (`O_PATH`).
pub fn is_asked(kernel: &Kernel, file: &File) -> Result<bool, TableError> {
    let entry = kernel.map(MAP)?.lookup(&file.as_raw_fd().to_ne_bytes(), MapFlags::ANY);
    entry
        .map(|entry| entry.is_some())
        .map_err(|source| TableError::Map { map: MAP, source })
}

/// Says of a regular file, of which `digest` is the SHA-256, that this is what is in it. Fails where it was not asked any
/// more, and where storage beside inodes cannot be had.
pub fn tell(kernel: &Kernel, file: &File, digest: [u8; 32], when: When) -> Result<(), TableError> {
    let content = abi::aa_content {
        digest,
        known: 1,
        ..Default::default()
    };
    let flags = match when {
        When::StillAsked => MapFlags::EXIST,
        When::Now => MapFlags::ANY,
    };
    let told = kernel
        .map(MAP)?
        .update(&file.as_raw_fd().to_ne_bytes(), content.as_bytes(), flags);
    told.map_err(|source| TableError::Map { map: MAP, source })
}
