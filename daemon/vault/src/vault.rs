//! A vault for all threads: who reads looks into the memory, who writes waits for the disk, and neither holds the other up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use aa_store::{SledStore, Store, StoreError};

use crate::VaultError;
use crate::access::Uses;
use crate::crypto::{Wrapped, random};
use crate::memory::Keyring;
use crate::record::{About, Body, Entry, Master, Said, Version, VersionKey};
use crate::scope::{Scope, SecretId};
use crate::state::State;
use crate::tally::Tally;
use crate::unlock::{Unlock, name_of};

/// Versions of a secret that are kept; older ones go when a newer comes.
pub const KEPT_VERSIONS: usize = 8;

/// See the module and the crate.
#[derive(Debug)]
pub struct Vault {
    directory: PathBuf,
    /// Locked for moments; never while the disk works.
    state: RwLock<State>,
    /// Who changes something. May be locked before `state`, never after.
    writing: Mutex<Writing>,
    pub(crate) uses: Mutex<BTreeMap<SecretId, Uses>>,
}

#[derive(Debug)]
pub(crate) struct Writing {
    pub(crate) store: Box<dyn Store>,
    /// Nobody knows what of the last change was written: it is read again before the next.
    pub(crate) stale: bool,
}

/// A value to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewSecret<'a> {
    /// Whose, and which.
    pub id: &'a SecretId,
    /// What.
    pub value: Value<'a>,
    /// For whom; without, as the version before.
    pub scope: Option<&'a Scope>,
    /// Until when.
    pub expires: Option<SystemTime>,
}

/// Shown as its length only.
#[derive(Clone, Copy)]
pub struct Value<'a>(pub &'a [u8]);

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

/// Whether there may be, or must be, a secret of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// There must be none, or only revoked versions of one.
    New,
    /// There must be one.
    Rotate,
    /// Either.
    Replace,
}

/// When something was done, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Doer {
    /// The user.
    pub user: u32,
    /// When.
    pub at: SystemTime,
}

impl Vault {
    /// Opens the vault of a directory, or makes one: then how it is unlocked is how it will be.
    ///
    /// Every entry is opened once and all are tallied. A vault of which anything is not as it was written is an error.
    pub fn open(directory: &Path, unlock: &Unlock, now: SystemTime) -> Result<Self, VaultError> {
        let (store, entries) = SledStore::open(directory)?;
        Self::with_store(Box::new(store), &entries, directory, unlock, now)
    }

    pub(crate) fn with_store(
        store: Box<dyn Store>,
        entries: &[aa_store::Entry],
        directory: &Path,
        unlock: &Unlock,
        now: SystemTime,
    ) -> Result<Self, VaultError> {
        let state = if entries.is_empty() {
            make(store.as_ref(), unlock, now)?
        } else {
            State::read(entries, directory, unlock)?
        };
        Ok(Self {
            directory: directory.to_owned(),
            state: RwLock::new(state),
            writing: Mutex::new(Writing { store, stale: false }),
            uses: Mutex::default(),
        })
    }

    /// Keeps new values, all of them or none; the number of the change, which the log is to hold. It is on the disk then.
    pub fn set(&self, new: &[NewSecret<'_>], mode: Mode, doer: Doer) -> Result<u64, VaultError> {
        let mut writing = self.begin()?;
        let (put, remove) = {
            let state = self.read();
            let mut changes: (Vec<Entry>, Vec<Entry>) = Default::default();
            for new in new {
                let (put, remove) = version(&state, new, mode, doer)?;
                // The same name twice in one import.
                if changes.0.iter().any(|other| is_same(other, &put)) {
                    return Err(VaultError::Exists(new.id.name.to_string()));
                }
                changes.0.push(put);
                changes.1.extend(remove);
            }
            changes
        };
        self.commit(&mut writing, put, remove)
    }

    /// Destroys the value of one version, or of all; what is left says when and by whom. The number of the change.
    pub fn revoke(&self, id: &SecretId, version: Option<u32>, doer: Doer) -> Result<u64, VaultError> {
        let mut writing = self.begin()?;
        let put: Vec<Entry> = {
            let state = self.read();
            if state.last(id).is_none() {
                return Err(VaultError::Unknown(id.name.to_string()));
            }
            let live = state.of(id).filter(|(_, version)| version.body.is_some());
            let wanted = live.filter(|(key, _)| version.is_none_or(|wanted| key.1 == wanted));
            let revoked = |(key, version): (&VersionKey, &Version)| {
                let said = Said {
                    revoked: Some((unix(doer.at), doer.user)),
                    ..version.said.clone()
                };
                let version = Version {
                    said,
                    body: None,
                    algorithm: version.algorithm,
                };
                Entry::Version(key.clone(), Box::new(version))
            };
            wanted.map(revoked).collect()
        };
        if put.is_empty() {
            let name = id.name.to_string();
            return Err(version.map_or(VaultError::Revoked(name.clone()), |version| {
                VaultError::UnknownVersion(name, version)
            }));
        }
        self.commit(&mut writing, put, Vec::new())
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for others that write, and finds out what came of a change that failed.
    pub(crate) fn begin(&self) -> Result<MutexGuard<'_, Writing>, VaultError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if writing.stale {
            let entries = writing.store.entries()?;
            let state = self.read();
            // The way is not asked again: it is a key, however it was come by.
            let fresh = State::reread(&entries, &self.directory, &state.keys)?;
            drop(state);
            *self.write() = fresh;
            writing.stale = false;
        }
        Ok(writing)
    }

    /// Writes a change, and takes it over once it is on the disk.
    pub(crate) fn commit(&self, writing: &mut Writing, put: Vec<Entry>, remove: Vec<Entry>) -> Result<u64, VaultError> {
        let (batch, tally) = self.read().batch(&put, &remove)?;
        persist(writing, &batch)?;
        self.write().apply(put, remove, tally);
        Ok(tally.changes)
    }
}

/// On the disk, or nobody knows.
pub(crate) fn persist(writing: &mut Writing, batch: &aa_store::Batch) -> Result<(), StoreError> {
    let done = writing.store.write(batch).and_then(|()| writing.store.sync());
    writing.stale = done.is_err();
    done
}

/// One that has no master yet.
pub(crate) fn empty(unlock: &Unlock, now: SystemTime) -> Result<State, VaultError> {
    let way = unlock.way()?;
    let key = unlock.key(&way).ok_or(VaultError::Internal("a way of its own"))??;
    Ok(State {
        keys: Keyring::new(&key),
        about: About::new(way, name_of(&key), unix(now)),
        masters: BTreeMap::new(),
        versions: BTreeMap::new(),
        tally: Tally::default(),
    })
}

fn make(store: &dyn Store, unlock: &Unlock, now: SystemTime) -> Result<State, VaultError> {
    let mut state = empty(unlock, now)?;
    let (master, made) = new_master(&state, 1, now)?;
    let put = vec![Entry::About(state.about.clone()), master];
    // As if it had been there: the tally then takes it out again, and is of these two.
    state.retally(0)?;
    let (batch, tally) = state.batch(&put, &[])?;
    store.write(&batch)?;
    store.sync()?;
    state.apply(put, Vec::new(), tally);
    state.keys.add_master(1, &made)?;
    Ok(state)
}

/// A random key under the one that unlocks.
pub(crate) fn new_master(state: &State, id: u32, now: SystemTime) -> Result<(Entry, crate::crypto::Key), VaultError> {
    let key = random::<32>()?;
    let made = unix(now);
    let wrapped = Wrapped::new(state.keys.unlocking(), &Master::beside(id, made)?, &key)?;
    let master = Master {
        algorithm: crate::crypto::AES_256_GCM,
        made,
        wrapped,
    };
    Ok((Entry::Master(id, master), key))
}

/// The next version of a secret, and those that go for it.
fn version(state: &State, new: &NewSecret<'_>, mode: Mode, doer: Doer) -> Result<(Entry, Vec<Entry>), VaultError> {
    let last = state.last(new.id);
    let lives = last.is_some_and(|(_, version)| version.body.is_some());
    let name = || new.id.name.to_string();
    match mode {
        Mode::New if lives => return Err(VaultError::Exists(name())),
        Mode::Rotate if last.is_none() => return Err(VaultError::Unknown(name())),
        _ => {}
    }
    let scope = new.scope.cloned();
    let before = || last.map(|(_, version)| version.said.scope.clone());
    let said = Said {
        made: unix(doer.at),
        by: doer.user,
        scope: scope.or_else(before).unwrap_or_default(),
        expires: new.expires.map(unix),
        revoked: None,
    };
    let number = last.map_or(0, |((_, number), _)| *number).checked_add(1);
    let number = number.ok_or(VaultError::Internal("a secret has no more numbers"))?;
    let key = (new.id.clone(), number);
    let fresh = Version::new(&key, said, state.newest_master()?, new.value.0)?;
    let older = state.of(new.id).rev().skip(KEPT_VERSIONS - 1);
    let gone = older.map(|(key, version)| Entry::Version(key.clone(), Box::new(version.clone())));
    Ok((Entry::Version(key, Box::new(fresh)), gone.collect()))
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    matches!((one, other), (Entry::Version(one, _), Entry::Version(other, _)) if one == other)
}

/// A version's body under another master.
pub(crate) fn rewrapped(
    state: &State,
    key: &VersionKey,
    version: &Version,
    master: (u32, &[u8; 32]),
) -> Result<Option<Entry>, VaultError> {
    let Some(body) = version.body.as_ref().filter(|body| body.master != master.0) else {
        return Ok(None);
    };
    let data_key = state.data_key(key, version, body)?;
    let data_key = data_key.ok_or(VaultError::Internal("a data key that was opened before does not open"))?;
    let beside = Version::key_beside(key, &version.said, master.0)?;
    let body = Body {
        master: master.0,
        key: Wrapped::new(master.1, &beside, &data_key)?,
        value: body.value.clone(),
    };
    let version = Version {
        body: Some(body),
        ..version.clone()
    };
    Ok(Some(Entry::Version(key.clone(), Box::new(version))))
}

/// Whole seconds since 1970; what lies before that is that moment.
pub(crate) fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
