//! Reads what is in a program where the kernel does not: it has no IMA, or that hashes with another algorithm.
//!
//! The program waits meanwhile as for a person (`lib/hold.bpf.h`). What was read counts only if nobody opened the file for
//! writing since the kernel asked, and it is laid beside the inode that was read, whatever its name means by then: a name
//! that leads elsewhere only has the kernel ask again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aa_bpf::Kernel;
use aa_bpf::contents::{self, When};
use aa_bpf::tables::TableError;
use sha2::{Digest, Sha256};

use crate::process;
use crate::sensor::{RequestError, Sensor};

const PIECE: usize = 1 << 16;

/// A program was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadingError {
    #[error("cannot read the program")]
    File(#[from] io::Error),
    #[error("the program's name leads to another file by now")]
    NotAsked,
    #[error(transparent)]
    Kernel(#[from] TableError),
}

impl Sensor {
    /// Reads the program at this name, as the process sees it, and tells the kernel.
    pub(crate) fn read_program(&self, pid: u32, start_ns: u64, name: &[u8]) -> Result<(), RequestError> {
        self.check_governed(pid, start_ns)?;
        let place = process::place_in_root(pid, name).map_err(ReadingError::File)?;
        // By now the name may lead to anything, as to a file whose reader waits for ever.
        if !contents::is_asked(&self.kernel, &place).map_err(ReadingError::Kernel)? {
            return Err(ReadingError::NotAsked.into());
        }
        let file = process::open_place(&place).map_err(ReadingError::File)?;
        Ok(tell(&self.kernel, &file, When::StillAsked)?)
    }
}

/// Tells the kernel of a file that is ours alone.
pub(crate) fn tell_of_own(kernel: &Kernel, path: &Path) -> Result<(), ReadingError> {
    tell(kernel, &File::open(path)?, When::Now)
}

fn tell(kernel: &Kernel, file: &File, when: When) -> Result<(), ReadingError> {
    Ok(contents::tell(kernel, file, digest_of(file)?, when)?)
}

/// SHA-256. More than the kernel would ask for is refused.
fn digest_of(mut file: &File) -> io::Result<[u8; 32]> {
    let limit = u64::from(aa_bpf::abi::AA_LARGEST_READ);
    let (mut hash, mut piece, mut left) = (Sha256::new(), vec![0; PIECE], limit + 1);
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(hash.finalize().into());
        }
        left = left.checked_sub(length as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        hash.update(piece.get(..length).unwrap_or_default());
    }
}
