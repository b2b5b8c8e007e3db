//! The vault in memory: everything that the store holds, still encrypted, and the keys to it.

use std::collections::BTreeMap;
use std::path::Path;

use aa_store::Batch;

use crate::crypto::{Key, open};
use crate::memory::Keyring;
use crate::record::{About, Body, Bytes, Entry, Master, TallyMark, Version, VersionKey};
use crate::scope::SecretId;
use crate::tally::Tally;
use crate::unlock::{Unlock, name_of};
use crate::{FORMAT, Plain, VaultError};

/// How many damaged secrets an error names.
const NAMED: usize = 5;

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) keys: Keyring,
    pub(crate) about: About,
    pub(crate) masters: BTreeMap<u32, Master>,
    pub(crate) versions: BTreeMap<VersionKey, Version>,
    pub(crate) tally: Tally,
}

/// Entries as they were read, before anything was opened.
struct Read {
    about: About,
    masters: BTreeMap<u32, Master>,
    versions: BTreeMap<VersionKey, Version>,
    mark: TallyMark,
}

impl State {
    /// Reads all entries, opens every one and tallies them: what is not as it was written is an error.
    pub(crate) fn read(entries: &[Bytes], directory: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        let read = Read::new(entries, directory)?;
        let key = unlock.key(&read.about.way).ok_or_else(|| VaultError::OtherWay {
            directory: directory.to_owned(),
            wanted: read.about.way.what(),
        })??;
        if name_of(&key) != read.about.key_name {
            return Err(VaultError::WrongKey {
                directory: directory.to_owned(),
                what: unlock.what(),
            });
        }
        read.open(directory, &key)
    }

    /// The same with the key that opened it before.
    pub(crate) fn reread(entries: &[Bytes], directory: &Path, keys: &Keyring) -> Result<Self, VaultError> {
        let read = Read::new(entries, directory)?;
        let next = name_of(keys.next_unlocking()) == read.about.key_name;
        let key = if next { keys.next_unlocking() } else { keys.unlocking() };
        read.open(directory, key)
    }

    fn open_all(&self, directory: &Path) -> Result<(), VaultError> {
        let mut closed: Vec<String> = Vec::new();
        for key in self.versions.keys() {
            let revoked = self.versions.get(key).is_some_and(|version| version.body.is_none());
            if !revoked && self.value(key)?.is_none() {
                closed.push(format!("{} version {}", key.0.name, key.1));
            }
        }
        if closed.is_empty() {
            return Ok(());
        }
        let count = closed.len();
        closed.truncate(NAMED);
        let more = if count > NAMED { ", ..." } else { "" };
        let which = closed.join(", ");
        Err(damaged(
            directory,
            &format!("{count} of its secrets cannot be opened: {which}{more}"),
        ))
    }

    /// Computes the tally anew, by the key of now.
    pub(crate) fn retally(&mut self, changes: u64) -> Result<(), VaultError> {
        let mut tally = Tally::at(changes);
        for entry in self.entries() {
            tally.add(self.keys.tallying(), &entry.encode()?);
        }
        self.tally = tally;
        Ok(())
    }

    /// All but the tally's own.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let masters = self
            .masters
            .iter()
            .map(|(id, master)| Entry::Master(*id, master.clone()));
        let version = |(key, version): (&VersionKey, &Version)| Entry::Version(key.clone(), Box::new(version.clone()));
        let versions = self.versions.iter().map(version);
        std::iter::once(Entry::About(self.about.clone()))
            .chain(masters)
            .chain(versions)
    }

    /// What is written for a change, and the tally behind it.
    pub(crate) fn batch(&self, put: &[Entry], remove: &[Entry]) -> Result<(Batch, Tally), VaultError> {
        let mut tally = self.tally;
        tally.changes = tally.changes.saturating_add(1);
        let key = self.keys.tallying();
        let mut batch = Batch::new();
        for entry in remove {
            let bytes = entry.encode()?;
            tally.remove(key, &bytes);
            batch.push((bytes.0, None));
        }
        for entry in put {
            if let Some(before) = self.same_key(entry) {
                tally.remove(key, &before.encode()?);
            }
            let bytes = entry.encode()?;
            tally.add(key, &bytes);
            batch.push((bytes.0, Some(bytes.1)));
        }
        let mark = Entry::Tally(tally.mark(key)).encode()?;
        batch.push((mark.0, Some(mark.1)));
        Ok((batch, tally))
    }

    fn same_key(&self, entry: &Entry) -> Option<Entry> {
        match entry {
            Entry::About(_) => Some(Entry::About(self.about.clone())),
            Entry::Master(id, _) => self.masters.get(id).map(|master| Entry::Master(*id, master.clone())),
            Entry::Version(key, _) => {
                let version = self.versions.get(key)?;
                Some(Entry::Version(key.clone(), Box::new(version.clone())))
            }
            Entry::Tally(_) => None,
        }
    }

    /// A change that is on the disk.
    pub(crate) fn apply(&mut self, put: Vec<Entry>, remove: Vec<Entry>, tally: Tally) {
        self.tally = tally;
        for entry in remove {
            match entry {
                Entry::Master(id, _) => {
                    self.masters.remove(&id);
                    self.keys.forget_master(id);
                }
                Entry::Version(key, _) => drop(self.versions.remove(&key)),
                Entry::About(_) | Entry::Tally(_) => {}
            }
        }
        for entry in put {
            match entry {
                Entry::About(about) => self.about = about,
                Entry::Master(id, master) => drop(self.masters.insert(id, master)),
                Entry::Version(key, version) => drop(self.versions.insert(key, *version)),
                Entry::Tally(_) => {}
            }
        }
    }

    /// The master that new data keys are wrapped with.
    pub(crate) fn newest_master(&self) -> Result<(u32, &[u8; 32]), VaultError> {
        let id = self.masters.keys().next_back().copied().unwrap_or(0);
        let key = self.keys.master(id);
        key.map(|key| (id, key))
            .ok_or(VaultError::Internal("there is no master"))
    }

    /// The last version of a secret, revoked or not.
    pub(crate) fn last(&self, id: &SecretId) -> Option<(&VersionKey, &Version)> {
        self.of(id).next_back()
    }

    /// All versions of a secret.
    pub(crate) fn of(&self, id: &SecretId) -> impl DoubleEndedIterator<Item = (&VersionKey, &Version)> {
        self.versions.range((id.clone(), 0)..=(id.clone(), u32::MAX))
    }

    pub(crate) fn data_key(&self, key: &VersionKey, version: &Version, body: &Body) -> Result<Option<Key>, VaultError> {
        let Some(master) = self.keys.master(body.master) else {
            return Ok(None);
        };
        let beside = Version::key_beside(key, &version.said, body.master)?;
        Ok(body.key.open(master, &beside))
    }

    /// The value of a version; `None` if it is revoked or cannot be opened.
    pub(crate) fn value(&self, key: &VersionKey) -> Result<Option<Plain>, VaultError> {
        let Some((version, body)) = self
            .versions
            .get(key)
            .and_then(|version| Some((version, version.body.as_ref()?)))
        else {
            return Ok(None);
        };
        let Some(data_key) = self.data_key(key, version, body)? else {
            return Ok(None);
        };
        Ok(open(&data_key, &Version::value_beside(key)?, &body.value).map(Plain))
    }
}

impl Read {
    fn new(entries: &[Bytes], directory: &Path) -> Result<Self, VaultError> {
        let (mut about, mut mark) = (None, None);
        let (mut masters, mut versions) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in entries {
            // The first byte, whatever follows it.
            if let ([0, b'a'], Some(format)) = (key.as_slice(), value.first())
                && *format != FORMAT
            {
                return Err(VaultError::Format {
                    directory: directory.to_owned(),
                    format: *format,
                });
            }
            match Entry::decode(key, value).ok_or_else(|| damaged(directory, &unreadable(key)))? {
                Entry::About(read) => about = Some(read),
                Entry::Master(id, master) => drop(masters.insert(id, master)),
                Entry::Version(key, version) => drop(versions.insert(key, *version)),
                Entry::Tally(read) => mark = Some(read),
            }
        }
        Ok(Self {
            about: about.ok_or_else(|| damaged(directory, "it does not say how it is opened"))?,
            masters,
            versions,
            mark: mark.ok_or_else(|| damaged(directory, "it has no tally"))?,
        })
    }

    fn open(self, directory: &Path, key: &[u8; 32]) -> Result<State, VaultError> {
        let mut keys = Keyring::new(key);
        for (id, master) in &self.masters {
            let opened = master.wrapped.open(key, &Master::beside(*id, master.made)?);
            let opened = opened.ok_or_else(|| damaged(directory, &format!("master key {id} cannot be opened")))?;
            keys.add_master(*id, &opened)?;
        }
        let mut state = State {
            keys,
            about: self.about,
            masters: self.masters,
            versions: self.versions,
            tally: Tally::default(),
        };
        if state.masters.is_empty() {
            return Err(damaged(directory, "it has no master key"));
        }
        state.open_all(directory)?;
        state.retally(self.mark.changes)?;
        if !state.tally.is(state.keys.tallying(), &self.mark) {
            return Err(damaged(
                directory,
                "entries are missing, or are not those that were last written",
            ));
        }
        Ok(state)
    }
}

/// Names are told, as far as they are names.
fn unreadable(key: &[u8]) -> String {
    let name = key
        .strip_prefix(&[0, b's'])
        .and_then(|rest| rest.split(|byte| *byte == 0).nth(1));
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    match name.filter(|name| crate::SecretName::parse(name).is_ok()) {
        Some(name) => format!("the entry of {name} cannot be read"),
        None => "an entry cannot be read".to_owned(),
    }
}

pub(crate) fn damaged(directory: &Path, what: &str) -> VaultError {
    VaultError::Damaged {
        directory: directory.to_owned(),
        what: what.to_owned(),
    }
}
