//! Why a file, or a part of it, could not be read.

use std::io;

/// What of a file could not be read, or is not there.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It does not begin like an ELF file.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file, of another machine, word size or byte order than x86-64.
    #[error("ELF machine {machine} is not read, only x86-64")]
    Machine {
        /// `e_machine`; 0 for another word size or byte order.
        machine: u16,
    },
    /// Neither a program nor a shared library: an object file, a core.
    #[error("ELF type {0} is neither a program nor a shared library")]
    Kind(u16),
    /// Something of the file points beyond its end, or where nothing of it is.
    #[error("{what} points outside of the file, at {offset:#x}")]
    Outside {
        /// What points there.
        what: &'static str,
        /// The place, in the file or of an address.
        offset: u64,
    },
    /// A count or a size beyond what any real file has.
    #[error("{what}: {count} exceeds the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// As the file says.
        count: u64,
        /// As we take.
        limit: u64,
    },
    /// The file leads its reader in circles: more was read than any honest file asks for.
    #[error("reading took more than {bytes} bytes")]
    TooMuchWork {
        /// The most that is read, from the file's length.
        bytes: u64,
    },
    /// A fingerprint fits several functions: none of them is taken.
    #[error("the fingerprint of {what} fits {count} functions")]
    Ambiguous {
        /// Which function was looked for.
        what: &'static str,
        /// How many fit.
        count: usize,
    },
    /// A fingerprint's file name is there, and no function that fits.
    #[error("the library of {what} is in the file, the function was not found")]
    NotFound {
        /// Which function was looked for.
        what: &'static str,
    },
    /// Go before 1.18: its functions take their arguments elsewhere, or their table is another.
    #[error("Go before 1.18, where crypto/tls is not looked for")]
    OldGo,
    /// The file could not be read.
    #[error("cannot read the file")]
    Read(#[source] io::Error),
}
