//! One gateway at a time: two that read the same rings would each see some records and record some twice.
//!
//! The lock is a POSIX record lock, because the kernel then tells the sensor who holds it. It ends with the process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Takes the lock. Keep the file: closing it gives the lock back.
pub(crate) fn take_lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    fcntl(&file, FcntlArg::F_SETLK(&whole_file())).context("another gateway reads the rings")?;
    Ok(file)
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::c_short::try_from(libc::F_WRLCK).unwrap_or_default(),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
