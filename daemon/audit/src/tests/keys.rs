//! The keys: where they are, that old ones are not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::{LARGE, Place, event};
use crate::{AuditError, AuditLog, Checks, Options};

/// Every byte of every file that is kept.
fn everything(place: &Place) -> Vec<u8> {
    let folders = [place.path(), place.keys()];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    files
        .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let key: [u8; 32] = crate::note::unhex(text).unwrap();
    bytes.windows(32).any(|window| window == key) || String::from_utf8_lossy(bytes).contains(text)
}

#[test]
fn a_key_is_nowhere_once_its_epoch_has_ended() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    let first = log.hand_out_key("a test".to_owned()).unwrap();
    assert!(holds(&everything(&place), first.key.reveal()));
    log.append(&event(2)).unwrap();
    let second = log.hand_out_key("a test".to_owned()).unwrap();
    assert!(!holds(&everything(&place), first.key.reveal()));
    assert!(holds(&everything(&place), second.key.reveal()));
    drop(log);
    assert!(
        holds(&everything(&place), second.key.reveal()),
        "nothing was sealed with it but its own end"
    );
}

#[test]
fn keys_are_for_the_owner_alone_and_not_beside_the_log() {
    let place = Place::filled(1, LARGE);
    for entry in fs::read_dir(place.keys()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
    let names: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name.to_string_lossy().contains(".key")),
        "{names:?}"
    );
}

#[test]
fn an_epoch_ends_when_it_is_old_enough_and_was_used() {
    let place = Place::new();
    let options = Options {
        epoch: Duration::from_millis(20),
        ..Options::new(place.keys())
    };
    let (log, _) = AuditLog::open(&place.path(), &options).unwrap();
    let key = log.hand_out_key("a test".to_owned()).unwrap();
    for _ in 0..3 {
        let number = log.append(&event(1)).unwrap().0;
        while log.last().0 == number {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let ended = log.last().0;
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(log.last().0, ended, "nothing was recorded, so nothing ends");
    drop(log);
    let with_key = Checks {
        hmac_key: Some(key),
        ..Checks::default()
    };
    let report = place.verify(&with_key);
    assert_eq!(
        (report.findings.as_slice(), report.last, report.sealed),
        (&[][..], 7, 6)
    );
}

#[test]
fn a_death_between_the_end_of_an_epoch_and_its_key_is_made_up_for() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    let key = log.hand_out_key("a test".to_owned()).unwrap();
    log.append(&event(2)).unwrap();
    let before = place.copy();
    drop(log);
    // The log of after, with the key of before.
    for entry in fs::read_dir(before.keys()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, place.keys().join(path.file_name().unwrap())).unwrap();
    }
    assert!(holds(&everything(&place), key.key.reveal()));
    let (log, recovery) = place.open(LARGE).unwrap();
    assert!(recovery.replaced_keys.is_empty());
    assert!(!holds(&everything(&place), key.key.reveal()));
    log.append(&event(4)).unwrap();
    drop(log);
    let report = place.verify(&Checks {
        hmac_key: Some(key),
        ..Checks::default()
    });
    assert!(report.is_intact(), "{:?}", report.findings);
}

#[test]
fn lost_keys_are_told_and_what_cannot_be_read_as_one_is_not_replaced() {
    let place = Place::filled(2, LARGE);
    let checks = Checks {
        public_key: crate::public_key(&place.path()).unwrap(),
        ..Checks::default()
    };
    for entry in fs::read_dir(place.keys()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (log, recovery) = place.open(LARGE).unwrap();
    assert_eq!(recovery.replaced_keys.len(), 2);
    drop(log);
    let told = place.texts(4);
    assert!(
        told[0].contains("held no key of this log") && told[1].contains("signed by a new one"),
        "{told:?}"
    );
    let report = place.verify(&checks);
    assert!(
        report.findings[0].what.contains("not the one that was given"),
        "{:?}",
        report.findings
    );

    for name in ["audit-hmac.key", "audit-signing.key"] {
        let path = place.keys().join(name);
        let good = fs::read(&path).unwrap();
        let odd = vec![b'x'; good.len()];
        fs::write(&path, &odd).unwrap();
        assert!(matches!(place.open(LARGE), Err(AuditError::Key(_))), "{name}");
        assert_eq!(fs::read(&path).unwrap(), odd);
        fs::write(&path, good).unwrap();
    }
    assert!(place.open(LARGE).is_ok());
}

#[test]
fn no_key_is_shown() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    let key = log.hand_out_key("a test".to_owned()).unwrap();
    let shown = format!("{key:?} {:?}", crate::keys::EpochKey::from_handed(&key));
    assert!(
        !shown.contains(key.key.reveal()) && !shown.contains(key.key.reveal().split_at(8).0),
        "{shown}"
    );
    log.append(&event(1)).unwrap();
    drop(log);
    assert!(!place.texts(1).concat().contains(key.key.reveal()));
}
