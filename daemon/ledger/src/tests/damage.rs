//! Databases that somebody or something wrote into, and disks that are full.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use aa_store::{SledStore, open_unlocked};

use super::threads::Random;
use super::*;

/// A closed ledger with something in it, and how much.
fn filled(directory: &Path) -> u64 {
    let (ledger, _) = Ledger::open(directory).unwrap();
    for number in 0..50 {
        let account = Account {
            session: number % 5,
            ..ACCOUNT
        };
        let now = noon() + u32::try_from(number).unwrap() * 15 * MINUTE;
        let id = ledger.reserve(&account, &[], dollars(10), now, None).unwrap();
        ledger.settle(id, dollars(number), now);
    }
    ledger.reserve(&ACCOUNT, &[], dollars(1), noon(), None).unwrap();
    spent_since(&ledger, noon()) + 1
}

fn error_of(directory: &Path) -> Option<String> {
    Ledger::open(directory).err().map(|error| error.chain())
}

#[test]
fn entries_that_cannot_be_read_are_errors() {
    let key = |text: &str| text.as_bytes().to_vec();
    let good = br#"{"micro_dollars":1,"tokens":2,"calls":3}"#.to_vec();
    let read = |entry: Entry| Ledger::with_store(Box::new(Memory::default()), &[entry], Path::new("/m")).map(|_| ());
    read((key(r#"{"quarter":["p",5]}"#), good.clone())).unwrap();
    let bad: [Entry; 7] = [
        (key(r#"{"quarter":["p",5]}"#), Vec::new()),
        (
            key(r#"{"quarter":["p",5]}"#),
            br#"{"micro_dollars":1,"tokens":2}"#.to_vec(),
        ),
        (
            key(r#"{"quarter":["p",5]}"#),
            br#"{"micro_dollars":-1,"tokens":2,"calls":3}"#.to_vec(),
        ),
        (key(r#"{"session":["p",5]}"#), good.clone()),
        (key(r#"{"reservation":5}"#), good.clone()),
        (key(r#"{"month":["p",5]}"#), good.clone()),
        (key("junk"), good),
    ];
    for entry in bad {
        let result = read(entry.clone());
        assert!(
            matches!(result, Err(LedgerError::Store(StoreError::Damaged { .. }))),
            "{entry:?}"
        );
    }
}

#[test]
fn entries_that_were_changed_removed_or_added_in_the_database_are_errors() {
    type Change = fn(&sled::Db, sled::IVec);
    let changes: [Change; 3] = [
        |database, key| drop(database.insert(key, r#"{"micro_dollars":0,"tokens":0,"calls":0}"#)),
        |database, key| drop(database.remove(key)),
        |database, _| drop(database.insert(r#"{"quarter":["p",5]}"#, r#"{"micro_dollars":1,"tokens":0,"calls":0}"#)),
    ];
    for change in changes {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        let database = open_unlocked(directory.path()).unwrap();
        let (key, _) = database.scan_prefix(r#"{"quarter""#).next().unwrap().unwrap();
        change(&database, key);
        drop(database);
        let error = error_of(directory.path()).unwrap();
        assert!(error.contains("entries are missing"), "{error}");
    }
}

#[test]
fn a_database_without_its_seal_or_of_another_schema_is_an_error() {
    for (seal, says) in [
        (None, "no seal"),
        (Some(r#"{"schema":2,"batches":1000,"sum":0}"#), "schema 2"),
        (Some("garbage"), "cannot be read"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        let database = open_unlocked(directory.path()).unwrap();
        match seal {
            Some(seal) => drop(database.insert("seal", seal).unwrap()),
            None => drop(database.remove("seal").unwrap()),
        }
        drop(database);
        let error = error_of(directory.path()).unwrap();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_database_that_is_gone_or_emptied_is_an_error_and_not_a_fresh_one() {
    let remove: fn(PathBuf) = |path| fs::remove_file(path).unwrap();
    let empty: fn(PathBuf) = |path| drop(fs::File::create(path).unwrap());
    for act in [remove, empty] {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        act(directory.path().join("db"));
        for entry in fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                remove(entry.path());
            }
        }
        let error = error_of(directory.path()).unwrap();
        assert!(error.contains("holds 0 of"), "{error}");
    }
}

/// Whatever a few bytes do to the files: it is an error, or everything is there.
#[test]
fn bytes_overwritten_or_cut_off_anywhere_never_lose_what_was_synced_silently() {
    let directory = tempfile::tempdir().unwrap();
    let spent = filled(directory.path());
    let mut random = Random(0x5eed);
    let (mut errors, mut sound) = (0, 0);
    for round in 0..60 {
        let copy = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for entry in fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let to = copy.path().join(entry.file_name());
                fs::copy(entry.path(), &to).unwrap();
                files.push(to);
            }
        }
        files.sort();
        // Mostly the data, which is written from its beginning on.
        let path = match random.below(3 * files.len() as u64) {
            any if any < files.len() as u64 => &files[usize::try_from(any).unwrap()],
            _ => &copy.path().join("db"),
        };
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        let written = file.metadata().unwrap().len().min(24_000);
        let place = random.below(written);
        match random.below(3) {
            0 => file.set_len(place).unwrap(),
            1 => file.write_all_at(&[0xff], place).unwrap(),
            _ => file.write_all_at(&[0; 64], place).unwrap(),
        }
        match Ledger::open(copy.path()) {
            Err(_) => errors += 1,
            Ok((ledger, _)) => {
                assert_eq!(
                    spent_since(&ledger, noon()),
                    spent,
                    "round {round}: {} at {place}",
                    path.display()
                );
                sound += 1;
            }
        }
    }
    assert!(
        errors > 10,
        "{errors} errors, {sound} sound: the damage was in the wrong places"
    );
}

/// What sled does with a torn tail: it is gone, without a word, and so is what stands behind it.
#[test]
fn writes_that_were_never_synced_may_be_missing_and_that_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = SledStore::open(directory.path()).unwrap();
    let batch = |text: &str| vec![(text.as_bytes().to_vec(), Some(b"x".to_vec()))];
    store.write(&batch("synced")).unwrap();
    store.sync().unwrap();
    let copy = tempfile::tempdir().unwrap();
    store.write(&batch("not synced")).unwrap();
    for name in ["db", "conf", "synced"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let (_, entries) = SledStore::open(copy.path()).unwrap();
    assert_eq!(entries, [(b"synced".to_vec(), b"x".to_vec())]);
}

const FULL_DISK: &str = "AA_LEDGER_TEST_ON_A_FULL_DISK";

/// As on a full disk: files may not grow, until the limit is lifted.
#[test]
fn a_database_that_failed_is_opened_again_and_has_all_that_was_acknowledged() {
    if let Some(directory) = std::env::var_os(FULL_DISK) {
        return fill_the_disk(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    // Soft, so that it can be lifted; the signal is left ignored to what is executed.
    let child = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -S -f 1024; exec "$0" --exact "$1""#])
        .arg(std::env::current_exe().unwrap())
        .arg("tests::damage::a_database_that_failed_is_opened_again_and_has_all_that_was_acknowledged")
        .env(FULL_DISK, directory.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    assert!(Ledger::open(directory.path()).unwrap().1 > 100, "the child did nothing");
}

fn fill_the_disk(directory: &Path) {
    let (ledger, _) = Ledger::open(directory).unwrap();
    let all = cap(Span::Since(noon()), u64::MAX);
    let reserve = || ledger.reserve(&ACCOUNT, &[all], dollars(1), noon(), None);
    let kept = (0..100_000).take_while(|_| reserve().is_ok()).count() as u64;
    assert!(ledger.failing().is_some(), "{kept} fit on the disk");
    assert!(reserve().is_err());
    assert_eq!(ledger.used(&ACCOUNT, &all).reserved, kept);

    let pid = std::process::id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &pid])
        .status();
    assert!(lifted.unwrap().success());
    reserve().unwrap();
    assert_eq!(ledger.failing(), None);
    drop(ledger);
    let (ledger, charged) = Ledger::open(directory).unwrap();
    assert_eq!((charged as u64, spent_since(&ledger, noon())), (kept + 1, kept + 1));
    for _ in 0..101 {
        ledger.reserve(&ACCOUNT, &[], dollars(1), noon(), None).unwrap();
    }
}
