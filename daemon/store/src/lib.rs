//! Where entries are kept: sled, behind a narrow trait. For small state that one process owns and holds in memory as well: it reads all of it
//! when it opens the store, and then writes through.
//!
//! What sled 0.34 is like, as far as it shows here:
//! - Its `flush` calls `sync_file_range`, which leaves the size of the file and the disk's own cache alone; a sync is
//!   `flush` and then `fsync` of its file.
//! - At the first record of its log that is torn or damaged it takes the log to end, wipes what is behind it, and opens
//!   as if nothing had been there. So every batch carries a [`Seal`], and how many batches were once synced is kept
//!   beside the database in `synced`, which is written after each sync. Fewer than that are an error. Only batches that
//!   nobody was told of may be missing, and, after a power cut, those of the last moments in which the disk had the
//!   database and not yet that number.
//! - After one failed write it fails forever, so it is opened again. Its threads hold its lock for a moment after that.
//! - Damage makes it panic in places. That is caught, and an error like others.
//! - What is removed stays in its file until that part is written anew: who removes a secret must have encrypted it.

mod error;
mod seal;

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use error::StoreError;
use seal::Seal;

/// Key and value.
pub type Entry = (Vec<u8>, Vec<u8>);
/// Keys with their new values; `None` removes.
pub type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What is needed of one. Only one thread at a time uses it.
pub trait Store: Send + Sync + Debug {
    /// Writes all or nothing. After an error nobody knows which, nor of the writes since the last sync.
    fn write(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Puts all that was written on the disk.
    fn sync(&self) -> Result<(), StoreError>;

    /// All that it holds, read anew: who was told of an error finds out by this what was written.
    fn entries(&self) -> Result<Vec<Entry>, StoreError>;
}

const CACHE_BYTES: u64 = 1 << 20;
/// How long a lock that another holds may hold up opening.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// A database of sled.
#[derive(Debug)]
pub struct SledStore {
    directory: PathBuf,
    /// `None` after a failure, until it can be opened again.
    open: Mutex<Option<Open>>,
}

impl SledStore {
    /// Opens the database in a directory, or makes one; also what it holds.
    pub fn open(directory: &Path) -> Result<(Self, Vec<Entry>), StoreError> {
        let (open, entries) = Open::new(directory)?;
        let store = Self {
            directory: directory.to_owned(),
            open: Mutex::new(Some(open)),
        };
        Ok((store, entries))
    }

    /// Acts on the open database, and closes it if that fails.
    fn with<T>(&self, act: impl FnOnce(&mut Open) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match slot.take() {
            Some(open) => open,
            None => Open::new(&self.directory)?.0,
        };
        let result = act(&mut open);
        match &result {
            Ok(_) => *slot = Some(open),
            Err(_) => close(open),
        }
        result
    }
}

impl Store for SledStore {
    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.with(|open| open.write(batch))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.with(Open::sync)
    }

    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        self.with(|open| {
            let mut entries = read_all(&open.database, &open.directory)?;
            take_seal(&mut entries).map_err(|what| StoreError::damaged(&open.directory, what))?;
            Ok(entries)
        })
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.take() {
            close(open);
        }
    }
}

/// Sled syncs when it is dropped, and panics if that fails.
fn close(open: Open) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(open))));
}

#[derive(Debug)]
struct Open {
    directory: PathBuf,
    database: sled::Db,
    /// Sled's own file.
    data: File,
    /// How many batches are known to be on the disk, in 20 digits.
    synced: File,
    seal: Seal,
}

impl Open {
    fn new(directory: &Path) -> Result<(Self, Vec<Entry>), StoreError> {
        let database = attempt("open", directory, || open_unlocked(directory))?;
        let mut entries = read_all(&database, directory)?;
        let synced_path = directory.join("synced");
        let synced = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&synced_path);
        let synced = synced.map_err(|error| StoreError::file("open", &synced_path, error))?;
        let known = read_number(&synced)
            .map_err(|error| StoreError::file("read or make", &synced_path, error))?
            .ok_or_else(|| StoreError::damaged(directory, "`synced` holds no number"))?;
        let damaged = |what| StoreError::damaged(directory, what);
        let seal = take_seal(&mut entries).map_err(damaged)?;
        if seal.batches < known {
            return Err(damaged(format!("it holds {} of {known} batches", seal.batches)));
        }
        // The files themselves, and those that sled does not sync.
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        let conf = directory.join("conf");
        for path in [conf.as_path(), directory, parent.unwrap_or(Path::new("."))] {
            let file = File::open(path).and_then(|file| file.sync_all());
            file.map_err(|error| StoreError::file("sync", path, error))?;
        }
        let data_path = directory.join("db");
        let data = File::open(&data_path).map_err(|error| StoreError::file("open", &data_path, error))?;
        let open = Self {
            directory: directory.to_owned(),
            database,
            data,
            synced,
            seal,
        };
        Ok((open, entries))
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        attempt("write", &self.directory, || {
            let mut writes = sled::Batch::default();
            for (key, value) in batch {
                let before = self.database.get(key)?;
                self.seal.change(key, before.as_deref(), value.as_deref());
                match value {
                    Some(value) => writes.insert(key.as_slice(), value.as_slice()),
                    None => writes.remove(key.as_slice()),
                }
            }
            self.seal.batches = self.seal.batches.saturating_add(1);
            let seal = serde_json::to_vec(&self.seal).map_err(io::Error::from)?;
            writes.insert(Seal::KEY, seal);
            self.database.apply_batch(writes)
        })
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        attempt("sync", &self.directory, || {
            self.database.flush()?;
            Ok(self.data.sync_all()?)
        })?;
        let wrote = write_number(&self.synced, self.seal.batches);
        wrote.map_err(|error| StoreError::file("write", &self.directory.join("synced"), error))
    }
}

fn read_all(database: &sled::Db, directory: &Path) -> Result<Vec<Entry>, StoreError> {
    attempt("read", directory, || {
        let pairs = database
            .iter()
            .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())));
        pairs.collect::<sled::Result<Vec<Entry>>>()
    })
}

/// Sled itself, without what is checked here: for tests that do damage.
///
/// Sled's threads may hold a database for a moment after it was closed, and its lock with it; a process that forks does,
/// too.
#[doc(hidden)]
pub fn open_unlocked(directory: &Path) -> sled::Result<sled::Db> {
    let config = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES);
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match config.open() {
            // Sled wraps what the system said about the lock, and nothing else, in such an error.
            Err(sled::Error::Io(error)) if error.kind() == io::ErrorKind::Other && Instant::now() < deadline => {
                thread::sleep(LOCK_RETRY);
            }
            result => return result,
        }
    }
}

/// Takes the seal out of the entries, and checks it. There is none before the first batch.
fn take_seal(entries: &mut Vec<Entry>) -> Result<Seal, String> {
    let seal = entries.iter().position(|(key, _)| key == Seal::KEY);
    match seal.map(|index| entries.swap_remove(index)) {
        Some((_, seal)) => Seal::check(&seal, entries),
        None if entries.is_empty() => Ok(Seal::empty()),
        None => Err("it has no seal".to_owned()),
    }
}

/// Always of the same length, so that a power cut leaves the one or the other.
fn write_number(file: &File, number: u64) -> io::Result<()> {
    file.write_all_at(format!("{number:020}").as_bytes(), 0)
}

/// Makes it a zero if there is nothing at all; `None` if there is something else than a number.
fn read_number(mut file: &File) -> io::Result<Option<u64>> {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(0) => {
            write_number(file, 0)?;
            file.sync_all()?;
            Ok(Some(0))
        }
        Ok(_) => Ok(text.parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls sled, and turns what comes of it into our errors, a panic too.
fn attempt<T>(
    operation: &'static str,
    directory: &Path,
    act: impl FnOnce() -> sled::Result<T>,
) -> Result<T, StoreError> {
    let caught = catch_unwind(AssertUnwindSafe(act));
    let result = caught.unwrap_or_else(|_| Err(io::Error::other("sled panicked").into()));
    result.map_err(|error| StoreError::Database {
        operation,
        directory: directory.to_owned(),
        source: Arc::new(error),
    })
}
