//! The gateway of a sensor that died: it goes on reading the rings until it notices, and writes what it took to the log.
//! A new one starts when it has ended, so that no record is taken by both and none is lost between them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long it may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for a gateway that is not ours.
#[derive(Debug, Default)]
pub(crate) struct Predecessor {
    seen: Option<Instant>,
}

impl Predecessor {
    /// Whether one still runs; one that does not end is killed.
    pub(crate) fn runs(&mut self, lock: &Path) -> bool {
        let holder = holder(lock).unwrap_or_else(|error| {
            // The gateway asks for the lock itself and ends if it does not get it.
            tracing::warn!(%error, lock = %lock.display(), "cannot see whether a gateway runs already");
            None
        });
        let Some(pid) = holder else {
            self.seen = None;
            return false;
        };
        let seen = *self.seen.get_or_insert_with(|| {
            tracing::info!(%pid, "the gateway of an earlier sensor is ending");
            Instant::now()
        });
        if seen.elapsed() >= PATIENCE {
            tracing::warn!(%pid, "it does not end and is killed");
            // It may have ended just now.
            let _ = kill(pid, Signal::SIGKILL);
        }
        true
    }
}

/// The process that holds the lock.
fn holder(path: &Path) -> io::Result<Option<Pid>> {
    let file = match File::options().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let short = |value: i32| libc::c_short::try_from(value).unwrap_or_default();
    let mut lock = libc::flock {
        l_type: short(libc::F_WRLCK),
        l_whence: short(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((lock.l_type != short(libc::F_UNLCK)).then(|| Pid::from_raw(lock.l_pid)))
}
