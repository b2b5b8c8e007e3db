//! The writer: one thread that owns the newest segment and commits in groups.
//!
//! It takes what is queued (up to 4 MiB), writes it with one write, syncs it with one `fdatasync` if any of it asks for
//! that, and then acknowledges all of it. What does not ask is synced within [`SYNC_INTERVAL`]. Between two groups, never
//! for a record, it signs a checkpoint or goes over to the next epoch's key when that is due ([`duties`]).

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aa_wire::api::AuditKey;
use aa_wire::event::{Effect, Kind};
use aa_wire::{Event, Sequence, Timestamp};

use crate::checkpoints::Sealer;
use crate::format::{CLOSED, EPOCH_ENDS, Header};
use crate::keys::{EpochKey, KeyFile, Keys};
use crate::recover::{Recovery, Repair, recover};
use crate::segment::{DIRECTORY_MODE, share_all};
use crate::{AuditError, SEGMENT_BYTES, retention};

mod duties;
mod output;
use duties::Duties;
use output::Output;

/// How long a record that did not ask to be synced may wait for it.
pub(crate) const SYNC_INTERVAL: Duration = Duration::from_millis(200);
/// How old a key may become that has sealed something.
pub const EPOCH_INTERVAL: Duration = Duration::from_secs(600);
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
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its keys lie: not in the log's directory, which others may copy.
    pub keys: PathBuf,
    /// Bytes of a segment at which the next one begins.
    pub segment_bytes: u64,
    /// How old a key may become that has sealed something.
    pub epoch: Duration,
}

impl Options {
    /// With keys in this directory.
    pub fn new(keys: impl Into<PathBuf>) -> Self {
        Self {
            keys: keys.into(),
            segment_bytes: SEGMENT_BYTES,
            epoch: EPOCH_INTERVAL,
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

struct Batch {
    events: Vec<Event>,
    durability: Durability,
    done: Done,
}

enum Job {
    Append(Batch),
    HandOut {
        to: String,
        done: Sender<Result<AuditKey, AuditError>>,
    },
    Bury {
        behind: Box<Header>,
        done: Sender<Result<(), AuditError>>,
    },
}

impl AuditLog {
    /// Opens or begins the log in a directory, which is made if it is not there. Repairs, and keys that had to be made
    /// anew, are recorded in the log.
    ///
    /// # Errors
    /// A file that cannot be read or made, or another writer.
    pub fn open(directory: &Path, options: &Options) -> Result<(Self, Recovery), AuditError> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)
            .map_err(|error| AuditError::file("make", directory, error))?;
        let lock = lock(directory)?;
        share_all(directory)?;
        let tail = recover(directory)?;
        let begun = tail.head.last > 0;
        let log = begun.then_some((tail.head.epoch, tail.ending.is_some()));
        let Keys {
            file,
            key,
            signatory,
            replaced,
        } = Keys::open(&options.keys, log)?;
        let recovery = Recovery {
            last: tail.head.last,
            closed: !begun || tail.ending.as_deref() == Some(CLOSED),
            repairs: tail.repairs.clone(),
            replaced_keys: replaced,
        };
        // Who wrote before may have died with records in this epoch.
        let used = log.is_some_and(|(epoch, ended)| epoch == key.epoch() && !ended);
        let output = Output::open(directory, tail, options.segment_bytes)?;
        let duties = Duties::new(Sealer::open(directory, signatory)?, options.epoch, used);
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
                    key,
                    key_file: file,
                    duties,
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
        for replaced in &recovery.replaced_keys {
            log.append(&Event::lifecycle("audit-key", Effect::Denied, replaced.clone()))?;
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
        let job = Job::Append(Batch {
            events,
            durability,
            done: Box::new(done),
        });
        if let Err((Job::Append(batch), error)) = self.queue(job) {
            (batch.done)(Err(error));
        }
    }

    fn queue(&self, job: Job) -> Result<(), (Job, AuditError)> {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) | None => Ok(()),
            Some(Err(TrySendError::Full(job))) => Err((job, AuditError::Busy)),
            Some(Err(TrySendError::Disconnected(job))) => Err((job, AuditError::Closed)),
        }
    }

    /// Ends the epoch and tells the key of the one that begins: from there on whoever has it can check, and could forge,
    /// and nothing before. Waits until the log says that it was given, and to whom.
    pub fn hand_out_key(&self, to: String) -> Result<AuditKey, AuditError> {
        let (done, receiver) = std::sync::mpsc::channel();
        self.queue(Job::HandOut { to, done }).map_err(|(_, error)| error)?;
        receiver.recv().map_err(|_| AuditError::Closed)?
    }

    /// Has a tombstone written for all before a segment.
    pub(crate) fn bury(&self, behind: Header) -> Result<(), AuditError> {
        let (done, receiver) = std::sync::mpsc::channel();
        let behind = Box::new(behind);
        self.queue(Job::Bury { behind, done }).map_err(|(_, error)| error)?;
        receiver.recv().map_err(|_| AuditError::Closed)?
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
    key: EpochKey,
    key_file: KeyFile,
    duties: Duties,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => Ok(job),
                None => self.wait(queue),
            };
            match job {
                Ok(Job::Append(batch)) => next = self.commit(batch, queue),
                // Whoever asked may have gone.
                Ok(Job::HandOut { to, done }) => drop(done.send(self.hand_out(&to))),
                Ok(Job::Bury { behind, done }) => {
                    let signatory = self.duties.sealer.signatory();
                    let buried = retention::bury(&self.shared.directory, signatory, &behind, Timestamp::now());
                    drop(done.send(buried));
                }
                Err(RecvTimeoutError::Timeout) => self.sync_quietly(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.attend(Instant::now());
        }
        self.close();
    }

    fn wait(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        let sync = self.output.is_dirty().then_some(SYNC_INTERVAL);
        let due = self
            .duties
            .next()
            .map(|due| due.saturating_duration_since(Instant::now()));
        match sync.into_iter().chain(due).min() {
            Some(wait) => queue.recv_timeout(wait),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn sync_quietly(&mut self) {
        if let Err(error) = self.output.sync() {
            self.note(Some(&error));
        }
    }

    /// Writes a batch and what is queued behind it, syncs if one of them asks, answers all; the job it did not take.
    fn commit(&mut self, first: Batch, queue: &Receiver<Job>) -> Option<Job> {
        let mut group = Vec::new();
        let mut durability = Durability::Written;
        if let Some(jump) = self.duties.clock_jump() {
            // It is told with the next record, or not at all: nothing waits for it.
            let _ = self.output.stage(&mut [jump], &self.key);
        }
        let mut next = Some(Job::Append(first));
        while let Some(Job::Append(batch)) = &mut next {
            let staged = self.output.stage(&mut batch.events, &self.key);
            if staged.is_ok() && batch.durability == Durability::Synced {
                durability = Durability::Synced;
            }
            let more = group.len() + 1 < GROUP_BATCHES && self.output.staged_bytes() < GROUP_BYTES;
            let queued = more.then(|| queue.try_recv().ok()).flatten();
            if let Some(Job::Append(batch)) = std::mem::replace(&mut next, queued) {
                group.push((batch, staged));
            }
        }
        let mut written = self.output.write();
        if written.is_ok() && durability == Durability::Synced {
            written = self.output.sync();
        }
        self.note(written.as_ref().err());
        let mut weighty = false;
        for (batch, staged) in group {
            weighty |= batch.events.iter().any(|event| event.kind == Kind::Lifecycle);
            let result = staged.and(written.clone()).map(|()| batch.events);
            (batch.done)(result);
        }
        if written.is_ok() {
            self.duties.recorded(self.output.head().last, weighty, Instant::now());
        }
        next
    }

    /// Does what is due.
    fn attend(&mut self, now: Instant) {
        let mut outcome = Ok(());
        if self.duties.epoch_is_due(now) {
            let detail = format!("epoch {} ends, its key is erased", self.key.epoch());
            outcome = self.end_epoch(EPOCH_ENDS, detail);
            if outcome.is_err() {
                self.duties.epoch_failed(now);
            }
        }
        if outcome.is_ok() && self.duties.checkpoint_is_due(now) {
            outcome = self.checkpoint();
            self.duties.checkpoint_tried(now, outcome.is_ok());
        }
        if let Err(error) = outcome {
            self.note(Some(&error));
        }
    }

    /// The log says on the disk that the epoch ends, before its key is gone.
    fn end_epoch(&mut self, action: &str, detail: String) -> Result<(), AuditError> {
        let event = Event::lifecycle(action, Effect::Allowed, detail);
        self.output.stage(&mut [event], &self.key)?;
        self.output.write()?;
        self.output.sync()?;
        self.shared.last.store(self.output.head().last, Ordering::Release);
        self.key = self.key.next();
        self.duties.epoch_begins(Instant::now());
        // If this fails the file's key is behind; the next one that is written erases it all the same.
        self.key_file.replace(&self.key)
    }

    fn hand_out(&mut self, to: &str) -> Result<AuditKey, AuditError> {
        let detail = format!("epoch {} ends, the key of the next is given to {to}", self.key.epoch());
        self.end_epoch(EPOCH_ENDS, detail)?;
        Ok(self.key.hand_out(self.output.head().last + 1))
    }

    fn checkpoint(&mut self) -> Result<(), AuditError> {
        self.output.sync()?;
        self.duties.sealer.seal(&self.output.head().tree)
    }

    fn close(&mut self) {
        let mut outcome = self.output.sync();
        if outcome.is_ok() && self.duties.epoch_is_used() {
            let detail = format!("the log is closed, epoch {} ends, its key is erased", self.key.epoch());
            outcome = self.end_epoch(CLOSED, detail);
        }
        if outcome.is_ok() && self.output.head().last > self.duties.sealer.size() {
            outcome = self.checkpoint();
        }
        let outcome = outcome.and_then(|()| self.duties.sealer.sync());
        if let Err(error) = outcome {
            self.note(Some(&error));
        }
    }

    fn note(&self, failure: Option<&AuditError>) {
        if let Some(failure) = failure {
            tracing::error!(error = %describe(failure), "audit records were not written");
        }
        *self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner) = failure.map(describe);
        self.shared.last.store(self.output.head().last, Ordering::Release);
    }
}

fn describe(error: &AuditError) -> String {
    let cause = aa_wire::problem::chain(std::error::Error::source(error));
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
