//! The writer: one thread that owns the newest segment and commits in groups.
//!
//! It takes what is queued (up to 4 MiB), writes it with one write, syncs it with one `fdatasync` if any of it asks for
//! that, and then acknowledges all of it. What does not ask is synced within [`SYNC_INTERVAL`].

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aa_wire::event::Effect;
use aa_wire::{Event, Sequence};

use crate::recover::{Recovery, Repair, recover};
use crate::{AuditError, SEGMENT_BYTES};

mod output;
use output::Output;

/// How long a record that did not ask to be synced may wait for it.
pub(crate) const SYNC_INTERVAL: Duration = Duration::from_millis(200);
const QUEUED_BATCHES: usize = 1024;
const GROUP_BATCHES: usize = 512;
const GROUP_BYTES: usize = 4 << 20;

type Done = Box<dyn FnOnce(Result<Vec<Event>, AuditError>) + Send>;

/// When a record is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk.
    Synced,
    /// Once it is written; on the disk soon after.
    Written,
}

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a segment at which the next one begins.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
        }
    }
}

/// The log, open for appending. Dropping it writes what is queued, syncs and ends the writer.
#[derive(Debug)]
pub struct AuditLog {
    jobs: Option<SyncSender<Job>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    last: AtomicU64,
    failing: Mutex<Option<String>>,
}

struct Job {
    events: Vec<Event>,
    durability: Durability,
    done: Done,
}

impl AuditLog {
    /// Opens or begins the log in a directory, which is made if it is not there. Repairs are recorded in the log.
    ///
    /// # Errors
    /// A file that cannot be read or made, or another writer.
    pub fn open(directory: &Path, options: Options) -> Result<(Self, Recovery), AuditError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(directory)
            .map_err(|error| AuditError::file("make", directory, error))?;
        let lock = lock(directory)?;
        let tail = recover(directory)?;
        let recovery = Recovery {
            last: tail.last,
            repairs: tail.repairs.clone(),
        };
        let output = Output::open(directory, tail, options.segment_bytes)?;
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            last: AtomicU64::new(recovery.last),
            failing: Mutex::new(None),
        });
        let (jobs, queue) = sync_channel(QUEUED_BATCHES);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || {
                Writer {
                    output,
                    shared: for_thread,
                }
                .run(&queue);
                drop(lock);
            })
            .map_err(|error| AuditError::file("start a writer for", directory, error))?;
        let log = Self {
            jobs: Some(jobs),
            shared,
            thread: Some(thread),
        };
        for repair in &recovery.repairs {
            log.append(&repair_event(repair))?;
        }
        Ok((log, recovery))
    }

    /// Appends one event and waits until it is on the disk; its number.
    pub fn append(&self, event: &Event) -> Result<Sequence, AuditError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.submit(vec![event.clone()], Durability::Synced, move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        });
        let events = receiver.recv().map_err(|_| AuditError::Closed)??;
        events.first().map(|event| Sequence(event.id)).ok_or(AuditError::Closed)
    }

    /// Queues events, never waits. `done` gets them back with their numbers once they are acknowledged, or the failure;
    /// it runs on the writer's thread (or here, if they cannot be queued) and must be quick.
    pub fn submit(
        &self,
        events: Vec<Event>,
        durability: Durability,
        done: impl FnOnce(Result<Vec<Event>, AuditError>) + Send + 'static,
    ) {
        let job = Job {
            events,
            durability,
            done: Box::new(done),
        };
        let refused = match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) | None => return,
            Some(Err(TrySendError::Full(job))) => (job, AuditError::Busy),
            Some(Err(TrySendError::Disconnected(job))) => (job, AuditError::Closed),
        };
        (refused.0.done)(Err(refused.1));
    }

    /// The last acknowledged record's number.
    pub fn last(&self) -> Sequence {
        Sequence(self.shared.last.load(Ordering::Acquire))
    }

    /// Why the last batch could not be written; `None` if it could.
    pub fn failing(&self) -> Option<String> {
        self.shared
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the log lies.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(directory = %self.shared.directory.display(), "the audit writer ended in a panic");
        }
    }
}

/// One writer at a time.
fn lock(directory: &Path) -> Result<File, AuditError> {
    let path = directory.join("lock");
    let failed = |operation, error| AuditError::file(operation, &path, error);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(|error| failed("open", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", error)),
    }
}

fn repair_event(repair: &Repair) -> Event {
    let what = if repair.torn {
        "an unfinished record"
    } else {
        "bytes that are no record of this log"
    };
    let detail = format!(
        "{what}, {} bytes at {} of {}, set aside as {}",
        repair.bytes,
        repair.offset,
        repair.segment.display(),
        repair.set_aside.display()
    );
    Event::lifecycle("audit-repaired", Effect::Allowed, detail)
}

struct Writer {
    output: Output,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let first = if self.output.is_dirty() {
                queue.recv_timeout(SYNC_INTERVAL)
            } else {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match first {
                Ok(job) => self.commit(job, queue),
                Err(RecvTimeoutError::Timeout) => self.sync_quietly(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.sync_quietly();
    }

    fn sync_quietly(&mut self) {
        if let Err(error) = self.output.sync() {
            self.note(Some(&error));
        }
    }

    /// Writes a job and what is queued behind it, syncs if one of them asks, answers all.
    fn commit(&mut self, first: Job, queue: &Receiver<Job>) {
        let mut group = Vec::new();
        let mut durability = Durability::Written;
        let mut next = Some(first);
        while let Some(mut job) = next.take() {
            let staged = self.output.stage(&mut job.events);
            if staged.is_ok() && job.durability == Durability::Synced {
                durability = Durability::Synced;
            }
            group.push((job, staged));
            if group.len() < GROUP_BATCHES && self.output.staged_bytes() < GROUP_BYTES {
                next = queue.try_recv().ok();
            }
        }
        let mut written = self.output.write();
        if written.is_ok() && durability == Durability::Synced {
            written = self.output.sync();
        }
        self.note(written.as_ref().err());
        for (job, staged) in group {
            let result = staged.and(written.clone()).map(|()| job.events);
            (job.done)(result);
        }
    }

    fn note(&self, failure: Option<&AuditError>) {
        if let Some(failure) = failure {
            tracing::error!(error = %describe(failure), "audit records were not written");
        }
        *self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner) = failure.map(describe);
        self.shared.last.store(self.output.last(), Ordering::Release);
    }
}

fn describe(error: &AuditError) -> String {
    let cause = aa_wire::problem::chain(std::error::Error::source(error));
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
