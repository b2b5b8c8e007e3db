//! Whether a fork that fails leaves the process that tried it its identity.
//!
//! A task that is being made begins as a copy of its parent, the pointer to the parent's BPF storage included. Kernels that
//! wipe it only after the credentials were copied free the parent's storage where the copy is given up before, as over
//! `RLIMIT_NPROC`: the parent is governed no more, and the kernel uses memory that it freed ("bpf,fork: wipe ->bpf_storage
//! before bailouts that access it"). Such a fork is not tried here, for that reason: what a copy has is looked at in forks
//! that succeed.

use std::io;
use std::thread;

use libbpf_rs::{MapCore, MapFlags, ObjectBuilder};

use crate::{abi, probe};

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/forking.bpf.o"));

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkingError {
    /// The program was refused or not attached.
    #[error("the kernel refuses a program at `copy_creds`")]
    Program(#[from] libbpf_rs::Error),
    /// The object is not as this crate builds it.
    #[error("the program is not laid out as expected")]
    Layout,
    /// It was attached and has seen nothing.
    #[error("a program at `copy_creds` is attached and does not run")]
    Ineffective,
    /// A thread could not be begun.
    #[error("cannot begin a thread for it")]
    Threads(#[source] io::Error),
}

/// Whether a copy is without its parent's storage before anything can fail. The program is gone afterwards.
pub fn keeps_identity() -> Result<bool, ForkingError> {
    let mut open = ObjectBuilder::default().open_memory(OBJECT)?;
    probe::name_process(&mut open).ok_or(ForkingError::Layout)?;
    let object = open.load()?;
    let program = object.progs_mut().next().ok_or(ForkingError::Layout)?;
    let attached = program.attach()?;
    // Both are begun by one thread.
    let threads = (0..2).try_for_each(|_| {
        let thread = thread::Builder::new().spawn(|| ())?;
        thread.join().map_err(|_| io::Error::other("it panicked"))
    });
    threads.map_err(ForkingError::Threads)?;
    drop(attached);
    let found = object
        .maps()
        .find(|map| map.name() == "found")
        .ok_or(ForkingError::Layout)?;
    let value = found.lookup(&[0; 4], MapFlags::ANY)?;
    let value = value.and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    match value {
        Some(abi::AA_FORK_APART) => Ok(true),
        Some(abi::AA_FORK_SHARES) => Ok(false),
        _ => Err(ForkingError::Ineffective),
    }
}
