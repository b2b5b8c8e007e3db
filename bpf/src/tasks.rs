//! Who is governed: identities by pidfd, and the task iterators, which are read as files.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use nix::libc;
use zerocopy::{FromBytes, IntoBytes};

use crate::abi;
use crate::load::{Kernel, LoadError};

/// A task could not be governed or listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// There is no such process.
    #[error("cannot open process {pid}")]
    Open {
        /// Its process id.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The identity could not be stored.
    #[error("cannot store the identity of process {pid}")]
    Store {
        /// Its process id.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// An iterator could not be read.
    #[error("cannot list processes")]
    List(#[source] io::Error),
    /// A map is missing.
    #[error(transparent)]
    Kernel(#[from] LoadError),
    /// A map handle could not be had.
    #[error("cannot use the `identities` map")]
    Map(#[source] libbpf_rs::Error),
}

/// A process that cannot turn into another while this is held.
#[derive(Debug)]
pub struct ProcessHandle {
    descriptor: OwnedFd,
    /// Its process id.
    pub pid: u32,
}

impl ProcessHandle {
    /// Opens a process (`pidfd_open(2)`).
    pub fn open(pid: u32) -> Result<Self, TaskError> {
        // SAFETY: a system call with integer arguments; the result is checked.
        let ret = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor = i32::try_from(ret)
            .ok()
            .filter(|descriptor| *descriptor >= 0)
            .ok_or_else(|| TaskError::Open {
                pid,
                source: io::Error::last_os_error(),
            })?;
        // SAFETY: a descriptor just made, owned by nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { descriptor, pid })
    }

    /// The same once more.
    pub fn try_clone(&self) -> io::Result<Self> {
        let descriptor = self.descriptor.try_clone()?;
        Ok(Self {
            descriptor,
            pid: self.pid,
        })
    }

    /// Sends a signal to exactly this process (`pidfd_send_signal(2)`).
    pub fn signal(&self, signal: nix::sys::signal::Signal) -> io::Result<()> {
        let (fd, none) = (self.descriptor.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        // SAFETY: a system call on a live descriptor with a null siginfo.
        let ret = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as libc::c_int, none, 0) };
        if ret < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// The list of governed tasks, which is a file.
#[derive(Debug, Clone)]
pub struct TaskList(std::path::PathBuf);

impl TaskList {
    /// Every governed task.
    pub fn read(&self) -> Result<Vec<abi::aa_task_row>, TaskError> {
        rows(&self.0)
    }
}

/// Identities in the kernel.
#[derive(Debug)]
pub struct Tasks {
    identities: MapHandle,
    list: TaskList,
    adopt: std::path::PathBuf,
}

impl Tasks {
    /// Opens the identities of a kernel side.
    pub fn new(kernel: &Kernel) -> Result<Self, TaskError> {
        Ok(Self {
            identities: MapHandle::try_from(kernel.map("identities")?).map_err(TaskError::Map)?,
            list: TaskList(kernel.iterator("list_governed")),
            adopt: kernel.iterator("adopt_running"),
        })
    }

    /// Governs the main thread of a process; what it starts from then on inherits.
    pub fn govern(&self, process: &ProcessHandle, agent: u32, session: u64) -> Result<(), TaskError> {
        let identity = abi::aa_identity {
            agent,
            session,
            ..Default::default()
        };
        self.identities
            .update(
                &process.descriptor.as_raw_fd().to_ne_bytes(),
                identity.as_bytes(),
                MapFlags::ANY,
            )
            .map_err(|source| TaskError::Store {
                pid: process.pid,
                source,
            })
    }

    /// The identity of a process' main thread, if it is governed.
    pub fn identity(&self, process: &ProcessHandle) -> Result<Option<abi::aa_identity>, TaskError> {
        let found = self
            .identities
            .lookup(&process.descriptor.as_raw_fd().to_ne_bytes(), MapFlags::ANY)
            .map_err(|source| TaskError::Store {
                pid: process.pid,
                source,
            })?;
        Ok(found.and_then(|bytes| abi::aa_identity::read_from_bytes(&bytes).ok()))
    }

    /// Every governed task.
    pub fn list(&self) -> Result<Vec<abi::aa_task_row>, TaskError> {
        self.list.read()
    }

    /// To list them elsewhere.
    pub fn lister(&self) -> TaskList {
        self.list.clone()
    }

    /// One pass over the tasks that were running before: governs those the selectors match and the relatives of
    /// governed ones, and returns them. Complete when a pass returns none.
    pub fn adopt(&self) -> Result<Vec<abi::aa_task_row>, TaskError> {
        rows(&self.adopt)
    }
}

fn rows(path: &std::path::Path) -> Result<Vec<abi::aa_task_row>, TaskError> {
    let bytes = fs::read(path).map_err(TaskError::List)?;
    Ok(bytes
        .chunks_exact(size_of::<abi::aa_task_row>())
        .filter_map(|row| abi::aa_task_row::read_from_bytes(row).ok())
        .collect())
}
