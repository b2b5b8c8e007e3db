//! Against a store in memory that fails or dies at any step, on the disk, and against a model.

mod damage;
mod faults;
mod killed;
mod planted;
mod speed;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aa_policy::HostName;
use aa_store::{Batch, Entry, Store, StoreError};
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::{Consumer, Doer, Mode, NewSecret, Scope, SecretId, Standing, Unlock, Value, Vault, VaultError};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn doer() -> Doer {
    Doer { user: 1000, at: now() }
}

fn key() -> Unlock {
    Unlock::Key(Zeroizing::new([5; 32]))
}

fn id(name: &str) -> SecretId {
    SecretId::new("default", name).unwrap()
}

fn anybody() -> Scope {
    Scope::new(&["*".to_owned()], &["*".to_owned()]).unwrap()
}

fn set(vault: &Vault, name: &str, value: &[u8], mode: Mode) -> Result<u64, VaultError> {
    let (id, scope) = (id(name), anybody());
    let new = NewSecret {
        id: &id,
        value: Value(value),
        scope: Some(&scope),
        expires: None,
    };
    vault.set(&[new], mode, doer())
}

/// Many at once.
fn many<'a>(ids: &'a [SecretId], values: &'a [String], scope: &'a Scope) -> Vec<NewSecret<'a>> {
    let new = |(id, value): (&'a SecretId, &'a String)| NewSecret {
        id,
        value: Value(value.as_bytes()),
        scope: Some(scope),
        expires: None,
    };
    ids.iter().zip(values).map(new).collect()
}

fn reveal_at(vault: &Vault, name: &str, at: SystemTime) -> Result<Vec<u8>, VaultError> {
    let host = HostName::parse("api.example.com").unwrap();
    let consumer = Consumer {
        agent: "claude",
        policy: "coding-agent",
        host: &host,
    };
    let plain = vault.reveal(&id(name), &consumer, at, |_| Ok(()));
    plain.map(|plain| plain.reveal().to_vec())
}

fn reveal(vault: &Vault, name: &str) -> Result<Vec<u8>, VaultError> {
    reveal_at(vault, name, now())
}

/// What a store in memory holds, and when it is to fail.
#[derive(Debug, Default)]
struct Disk {
    written: BTreeMap<Vec<u8>, Vec<u8>>,
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Writes and syncs that still succeed.
    steps: Option<u64>,
    /// That which fails first has still done its work.
    done_anyway: bool,
}

/// A store in memory.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Disk>>);

impl Memory {
    fn vault(&self) -> Result<Vault, VaultError> {
        self.vault_by(&key())
    }

    fn vault_by(&self, unlock: &Unlock) -> Result<Vault, VaultError> {
        let entries = self.entries()?;
        Vault::with_store(Box::new(self.clone()), &entries, Path::new("/memory"), unlock, now())
    }

    /// As it was synced: what the power leaves.
    fn after_a_power_cut(&self) -> Self {
        let disk = self.0.lock().unwrap();
        Self(Arc::new(Mutex::new(Disk {
            written: disk.synced.clone(),
            synced: disk.synced.clone(),
            ..Disk::default()
        })))
    }

    /// As it was written: what a killed process leaves.
    fn after_a_kill(&self) -> Self {
        let disk = self.0.lock().unwrap();
        Self(Arc::new(Mutex::new(Disk {
            written: disk.written.clone(),
            synced: disk.written.clone(),
            ..Disk::default()
        })))
    }

    fn fail_after(&self, steps: Option<u64>, done_anyway: bool) {
        let mut disk = self.0.lock().unwrap();
        (disk.steps, disk.done_anyway) = (steps, done_anyway);
    }
}

impl Disk {
    /// Whether the step is to be done, and whether that is to be told.
    fn step(&mut self) -> (bool, Result<(), StoreError>) {
        let failed = StoreError::Damaged {
            directory: "/memory".into(),
            what: "it was told to fail".to_owned(),
        };
        match &mut self.steps {
            None => (true, Ok(())),
            Some(0) => (std::mem::take(&mut self.done_anyway), Err(failed)),
            Some(steps) => {
                *steps -= 1;
                (true, Ok(()))
            }
        }
    }
}

impl Store for Memory {
    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        let (done, told) = disk.step();
        for (key, value) in batch.iter().filter(|_| done) {
            match value {
                Some(value) => drop(disk.written.insert(key.clone(), value.clone())),
                None => drop(disk.written.remove(key)),
            }
        }
        told
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        let (done, told) = disk.step();
        if done {
            disk.synced = disk.written.clone();
        }
        told
    }

    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(self.0.lock().unwrap().written.clone().into_iter().collect())
    }
}

#[test]
fn a_value_comes_back_from_the_disk_as_it_went_there() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path(), &key(), now()).unwrap();
    set(&vault, "TOKEN", b"correct horse", Mode::New).unwrap();
    assert_eq!(reveal(&vault, "TOKEN").unwrap(), b"correct horse");
    drop(vault);
    let vault = Vault::open(directory.path(), &key(), now()).unwrap();
    assert_eq!(reveal(&vault, "TOKEN").unwrap(), b"correct horse");
    assert!(matches!(reveal(&vault, "OTHER"), Err(VaultError::Unknown(name)) if name == "OTHER"));
}

#[test]
fn another_key_opens_nothing_and_a_passphrase_is_stretched_as_the_store_says() {
    let directory = tempfile::tempdir().unwrap();
    drop(Vault::open(directory.path(), &key(), now()).unwrap());
    let other = Unlock::Key(Zeroizing::new([6; 32]));
    let error = Vault::open(directory.path(), &other, now()).unwrap_err();
    assert!(matches!(error, VaultError::WrongKey { what: "key", .. }), "{error}");
    let phrase = Unlock::parse_passphrase(b"a phrase nobody guesses\n").unwrap();
    let error = Vault::open(directory.path(), &phrase, now()).unwrap_err();
    assert!(matches!(error, VaultError::OtherWay { wanted: "key", .. }), "{error}");

    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path(), &phrase, now()).unwrap();
    set(&vault, "A", b"12345678", Mode::New).unwrap();
    drop(vault);
    let wrong = Unlock::parse_passphrase(b"a phrase nobody guesset\n").unwrap();
    let error = Vault::open(directory.path(), &wrong, now()).unwrap_err();
    assert!(
        matches!(error, VaultError::WrongKey { what: "passphrase", .. }),
        "{error}"
    );
    let vault = Vault::open(directory.path(), &phrase, now()).unwrap();
    assert_eq!(reveal(&vault, "A").unwrap(), b"12345678");
}

#[test]
fn versions_follow_one_another_and_only_the_newest_is_given_out() {
    let vault = Memory::default().vault().unwrap();
    assert!(matches!(
        set(&vault, "A", b"x", Mode::Rotate),
        Err(VaultError::Unknown(_))
    ));
    set(&vault, "A", b"first value", Mode::New).unwrap();
    assert!(matches!(set(&vault, "A", b"x", Mode::New), Err(VaultError::Exists(_))));
    for number in 2..20_u32 {
        set(&vault, "A", format!("value {number}").as_bytes(), Mode::Rotate).unwrap();
    }
    assert_eq!(reveal(&vault, "A").unwrap(), b"value 19");
    let list = vault.list("default", now());
    let standings: Vec<(u32, Standing)> = list.iter().map(|one| (one.version, one.standing)).collect();
    let mut expected: Vec<(u32, Standing)> = (12..19).map(|number| (number, Standing::Superseded)).collect();
    expected.push((19, Standing::Current));
    assert_eq!(standings, expected);
    let mut shown = Vec::new();
    vault
        .each_value(|_, version, value| shown.push((version, value.to_vec())))
        .unwrap();
    assert_eq!(shown.len(), 8, "older ones are still looked for");
}

#[test]
fn what_is_revoked_is_gone_and_no_older_version_takes_its_place() {
    let memory = Memory::default();
    let vault = memory.vault().unwrap();
    set(&vault, "A", b"value one", Mode::New).unwrap();
    set(&vault, "A", b"value two", Mode::Rotate).unwrap();
    vault.revoke(&id("A"), Some(2), doer()).unwrap();
    assert!(matches!(reveal(&vault, "A"), Err(VaultError::Revoked(_))));
    assert!(matches!(
        vault.revoke(&id("A"), Some(2), doer()),
        Err(VaultError::UnknownVersion(_, 2))
    ));
    vault.revoke(&id("A"), None, doer()).unwrap();
    assert!(matches!(
        vault.revoke(&id("A"), None, doer()),
        Err(VaultError::Revoked(_))
    ));
    assert!(matches!(
        vault.revoke(&id("B"), None, doer()),
        Err(VaultError::Unknown(_))
    ));
    let vault = memory.vault().unwrap();
    let mut values = 0;
    vault.each_value(|_, _, _| values += 1).unwrap();
    assert_eq!(values, 0);
    set(&vault, "A", b"value three", Mode::New).unwrap();
    assert_eq!(reveal(&vault, "A").unwrap(), b"value three");
    assert_eq!(vault.list("default", now()).last().unwrap().version, 3);
}

#[test]
fn a_secret_is_given_until_it_expires_to_whom_it_is_for_and_where_and_once_that_is_recorded() {
    let vault = Memory::default().vault().unwrap();
    let (id, scope) = (
        id("A"),
        Scope::new(&["claude".to_owned()], &["*.example.com".to_owned()]).unwrap(),
    );
    let new = NewSecret {
        id: &id,
        value: Value(b"12345678"),
        scope: Some(&scope),
        expires: Some(now() + Duration::from_secs(60)),
    };
    vault.set(&[new], Mode::New, doer()).unwrap();
    assert!(reveal(&vault, "A").is_ok());
    let late = reveal_at(&vault, "A", now() + Duration::from_secs(60));
    assert!(matches!(late, Err(VaultError::Expired(_))), "{late:?}");

    let host = HostName::parse("api.example.org").unwrap();
    let elsewhere = Consumer {
        agent: "claude",
        policy: "p",
        host: &host,
    };
    let mut recorded = 0;
    let refused = vault.reveal(&id, &elsewhere, now(), |_| {
        recorded += 1;
        Ok(())
    });
    assert!(matches!(refused, Err(VaultError::OutOfScope(_))));
    assert_eq!(recorded, 0);
    let host = HostName::parse("api.example.com").unwrap();
    let there = Consumer {
        host: &host,
        ..elsewhere
    };
    let unrecorded = vault.reveal(&id, &there, now(), |_| Err("the disk is full".to_owned()));
    assert!(matches!(unrecorded, Err(VaultError::Unrecorded(_))));
    assert_eq!(vault.users(&id).iter().map(|user| user.count).sum::<u64>(), 1);
    // The scope stays with the next version, unless another is given.
    let next = NewSecret {
        value: Value(b"abcdefgh"),
        scope: None,
        expires: None,
        ..new
    };
    vault.set(&[next], Mode::Rotate, doer()).unwrap();
    assert_eq!(vault.list("default", now()).last().unwrap().scope, scope);
}

#[test]
fn a_tenants_secrets_are_not_another_tenants() {
    let vault = Memory::default().vault().unwrap();
    set(&vault, "A", b"12345678", Mode::New).unwrap();
    let other = SecretId::new("other", "A").unwrap();
    let host = HostName::parse("h.example").unwrap();
    let consumer = Consumer {
        agent: "a",
        policy: "p",
        host: &host,
    };
    let refused = vault.reveal(&other, &consumer, now(), |_| Ok(()));
    assert!(matches!(refused, Err(VaultError::Unknown(_))));
    assert!(vault.list("other", now()).is_empty());
}

#[test]
fn an_import_is_kept_whole_or_not_at_all() {
    let vault = Memory::default().vault().unwrap();
    set(&vault, "B", b"was there", Mode::New).unwrap();
    let (a, b, c, scope) = (id("A"), id("B"), id("C"), anybody());
    let new = |id, value| NewSecret {
        id,
        value: Value(value),
        scope: Some(&scope),
        expires: None,
    };
    for wrong in [
        [new(&a, b"1"), new(&b, b"2")],
        [new(&a, b"1"), new(&a, b"2")],
        [new(&a, b"1"), new(&c, b"")],
    ] {
        assert!(vault.set(&wrong, Mode::New, doer()).is_err());
        assert!(matches!(reveal(&vault, "A"), Err(VaultError::Unknown(_))));
    }
    vault
        .set(&[new(&a, b"1"), new(&b, b"2")], Mode::Replace, doer())
        .unwrap();
    assert_eq!(reveal(&vault, "B").unwrap(), b"2");
}

#[test]
fn a_new_key_or_passphrase_unlocks_and_the_old_one_does_not() {
    let memory = Memory::default();
    let vault = memory.vault().unwrap();
    set(&vault, "A", b"12345678", Mode::New).unwrap();
    let (new, _) = Unlock::new_key().unwrap();
    vault.relock(&new, now()).unwrap();
    set(&vault, "B", b"abcdefgh", Mode::New).unwrap();
    assert!(matches!(memory.vault(), Err(VaultError::WrongKey { .. })));
    let again = memory.vault_by(&new).unwrap();
    assert_eq!(reveal(&again, "A").unwrap(), b"12345678");
    assert_eq!(reveal(&again, "B").unwrap(), b"abcdefgh");
}

#[test]
fn nothing_shows_a_value_in_debug() {
    let vault = Memory::default().vault().unwrap();
    set(&vault, "A", b"open sesame", Mode::New).unwrap();
    let shown = format!("{vault:?} {:?} {:?}", Value(b"open sesame"), key());
    assert!(
        !shown.contains("sesame") && !shown.contains("111, 112, 101, 110"),
        "{shown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done, the vault on the disk says what a map says.
    #[test]
    fn a_vault_does_what_a_map_does(steps in proptest::collection::vec((0..7_u8, 0..4_u8, proptest::collection::vec(any::<u8>(), 1..40)), 1..30)) {
        let memory = Memory::default();
        let mut vault = memory.vault().unwrap();
        let mut model: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for (step, which, value) in steps {
            let name = format!("S{which}");
            let known = model.get(&name);
            match step {
                0 => {
                    let done = set(&vault, &name, &value, Mode::New).is_ok();
                    prop_assert_eq!(done, known.is_none_or(Option::is_none));
                    if done { model.insert(name.clone(), Some(value)); }
                }
                1 => {
                    let done = set(&vault, &name, &value, Mode::Rotate).is_ok();
                    prop_assert_eq!(done, known.is_some());
                    if done { model.insert(name.clone(), Some(value)); }
                }
                2 => {
                    set(&vault, &name, &value, Mode::Replace).unwrap();
                    model.insert(name.clone(), Some(value));
                }
                3 => {
                    let done = vault.revoke(&id(&name), None, doer()).is_ok();
                    // Superseded versions may be left to revoke where the newest is revoked already: not so here, all go at once.
                    prop_assert_eq!(done, known.is_some_and(Option::is_some));
                    if done { model.insert(name.clone(), None); }
                }
                4 => drop(vault.rotate_master(now()).unwrap()),
                5 => drop(vault.relock(&key(), now()).unwrap()),
                _ => vault = memory.vault().unwrap(),
            }
            for (name, expected) in &model {
                prop_assert_eq!(&reveal(&vault, name).ok(), expected);
            }
        }
        let again = memory.after_a_power_cut().vault().unwrap();
        for (name, expected) in &model {
            prop_assert_eq!(&reveal(&again, name).ok(), expected);
        }
    }

    #[test]
    fn what_is_printed_as_dotenv_is_read_as_it_was(values in proptest::collection::vec("[^\u{0}']{1,60}", 1..6)) {
        let line = |(number, value): (usize, &String)| format!("N{number}='{value}'\n");
        let text = values.iter().enumerate().map(line).collect::<Vec<_>>().concat();
        let pairs = crate::parse_dotenv(&text).unwrap();
        let read: Vec<&[u8]> = pairs.iter().map(|(_, value)| value.as_slice()).collect();
        prop_assert_eq!(read, values.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(key in proptest::collection::vec(any::<u8>(), 0..40), value in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
        crate::is_entry(&key, &value);
        let _ = crate::parse_dotenv(&text);
        let _ = Unlock::parse_key(&value);
    }
}
