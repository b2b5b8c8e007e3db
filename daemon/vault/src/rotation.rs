//! A new master for all data keys, and a new key or passphrase for the masters, while others read.
//!
//! A master's rotation is three sorts of change, each whole or not at all, each on the disk before the next:
//! 1. the new master, under the key that unlocks. From here on new secrets are wrapped with it.
//! 2. some data keys at a time, out of the old master and under the new one. The values are not touched.
//! 3. when no data key is left under an old master, that goes.
//!
//! So whatever ends the process in between, every data key lies under a master that is there. Who opens such a vault goes on with
//! [`Vault::finish_rotation`]. What lay under the old master may be found on the disk for a while, in parts of the store that are not
//! written again yet; it is of use only to who has that master, which lies there under the key that unlocks.

use std::time::SystemTime;

use aa_store::Batch;

use crate::crypto::Wrapped;
use crate::memory::Keyring;
use crate::record::{About, Entry, Master, Version, VersionKey};
use crate::tally::Tally;
use crate::unlock::{Unlock, name_of};
use crate::vault::{new_master, persist, rewrapped, unix};
use crate::{Vault, VaultError};

/// Data keys that are wrapped anew in one change.
const AT_ONCE: usize = 64;

/// What a rotation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// The master's number.
    pub master: u32,
    /// Data keys that were wrapped anew.
    pub data_keys: u64,
    /// The number of its last change.
    pub change: u64,
}

/// How a vault is unlocked, and by what its data keys are wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// `key` or `passphrase`.
    pub unlocked_by: &'static str,
    /// Since when by this one, seconds since 1970.
    pub unlocked_since: u64,
    /// The newest master's number.
    pub master: u32,
    /// When that was made.
    pub master_made: u64,
    /// Older ones that data keys may still lie under: a rotation was not finished.
    pub older_masters: usize,
    /// Why the keys' memory may be written to swap, if it may.
    pub swappable: Option<String>,
}

impl Vault {
    /// Makes a new master and wraps every data key with it.
    pub fn rotate_master(&self, now: SystemTime) -> Result<Rotated, VaultError> {
        {
            let mut writing = self.begin()?;
            let (entry, key, id) = {
                let state = self.read();
                let id = state.newest_master()?.0;
                let id = id.checked_add(1).ok_or(VaultError::Internal("no more numbers"))?;
                let (entry, key) = new_master(&state, id, now)?;
                (entry, key, id)
            };
            // Before anybody can see that it is the newest.
            self.write().keys.add_master(id, &key)?;
            if let Err(error) = self.commit(&mut writing, vec![entry], Vec::new()) {
                self.write().keys.forget_master(id);
                return Err(error);
            }
        }
        self.finish_rotation()
    }

    /// Goes on with a rotation until all data keys are under the newest master and the others are gone.
    pub fn finish_rotation(&self) -> Result<Rotated, VaultError> {
        let mut rotated = Rotated::default();
        loop {
            // Others may write between two changes.
            let mut writing = self.begin()?;
            let (master, put) = self.next_to_wrap()?;
            rotated.master = master;
            if put.is_empty() {
                break;
            }
            rotated.data_keys += put.len() as u64;
            rotated.change = self.commit(&mut writing, put, Vec::new())?;
        }
        let mut writing = self.begin()?;
        let old: Vec<Entry> = {
            let state = self.read();
            let newest = state.newest_master()?.0;
            let old = state.masters.iter().filter(|(id, _)| **id != newest);
            old.map(|(id, master)| Entry::Master(*id, master.clone())).collect()
        };
        if !old.is_empty() {
            rotated.change = self.commit(&mut writing, Vec::new(), old)?;
        }
        Ok(rotated)
    }

    /// Some versions under the newest master that are under another.
    fn next_to_wrap(&self) -> Result<(u32, Vec<Entry>), VaultError> {
        let state = self.read();
        let master = state.newest_master()?;
        let under_other =
            |(_, version): &(&VersionKey, &Version)| version.body.as_ref().is_some_and(|body| body.master != master.0);
        let next = state.versions.iter().filter(under_other).take(AT_ONCE);
        let wrapped = next.filter_map(|(key, version)| rewrapped(&state, key, version, master).transpose());
        Ok((master.0, wrapped.collect::<Result<_, _>>()?))
    }

    /// Has another key or passphrase unlock it from now on: all masters are wrapped with it in one change.
    pub fn relock(&self, unlock: &Unlock, now: SystemTime) -> Result<u64, VaultError> {
        let way = unlock.way()?;
        let key = unlock.key(&way).ok_or(VaultError::Internal("a way of its own"))??;
        let mut writing = self.begin()?;
        let (put, tally, batch) = {
            let state = self.read();
            let about = About {
                way,
                key_name: name_of(&key),
                unlocked_by_it_since: unix(now),
                ..state.about.clone()
            };
            let mut put = vec![Entry::About(about)];
            for (id, master) in &state.masters {
                let own = state
                    .keys
                    .master(*id)
                    .ok_or(VaultError::Internal("a master is not there"))?;
                let wrapped = Wrapped::new(&key, &Master::beside(*id, master.made)?, own)?;
                put.push(Entry::Master(
                    *id,
                    Master {
                        wrapped,
                        ..master.clone()
                    },
                ));
            }
            // By the new key, of everything.
            let fresh = Keyring::new(&key);
            let mut tally = Tally::at(state.tally.changes.saturating_add(1));
            let versions = state.entries().filter(|entry| matches!(entry, Entry::Version(..)));
            for entry in put.iter().cloned().chain(versions) {
                tally.add(fresh.tallying(), &entry.encode()?);
            }
            let mut batch = Batch::new();
            let mark = Entry::Tally(tally.mark(fresh.tallying()));
            for entry in put.iter().chain([&mark]) {
                let (name, value) = entry.encode()?;
                batch.push((name, Some(value)));
            }
            (put, tally, batch)
        };
        self.write().keys.set_next_unlocking(&key);
        persist(&mut writing, &batch)?;
        let mut state = self.write();
        state.keys.set_unlocking(&key);
        state.apply(put, Vec::new(), tally);
        Ok(tally.changes)
    }

    /// What there is to say of its keys.
    pub fn key_state(&self) -> KeyState {
        let state = self.read();
        let newest = state.masters.iter().next_back();
        KeyState {
            unlocked_by: state.about.way.what(),
            unlocked_since: state.about.unlocked_by_it_since,
            master: newest.map_or(0, |(id, _)| *id),
            master_made: newest.map_or(0, |(_, master)| master.made),
            older_masters: state.masters.len().saturating_sub(1),
            swappable: state.keys.swappable().map(str::to_owned),
        }
    }
}
