//! What somebody does to the files is found.

use std::fs;

use aa_wire::Event;

use super::{LARGE, Place, SMALL, event, record_ranges};
use crate::format::{Head, Header, encode_record};
use crate::keys::EpochKey;
use crate::{Checks, newest_checkpoint, public_key, verify};

/// The log's checkpoint and key, as somebody has kept them.
fn held(place: &Place) -> Checks {
    let checkpoint = newest_checkpoint(&place.path()).unwrap().unwrap();
    Checks {
        checkpoints: vec![("kept".into(), checkpoint)],
        public_key: public_key(&place.path()).unwrap(),
        ..Checks::default()
    }
}

#[test]
fn every_flipped_byte_of_every_file_is_found() {
    let place = Place::filled(12, SMALL);
    let checks = held(&place);
    assert!(place.verify(&checks).is_intact() && place.segments().len() > 2);
    let mut flipped = 0;
    for name in ["checkpoints", "checkpoints.pub"] {
        flipped += flip_all(&place, &place.path().join(name), &checks);
    }
    for segment in place.segments() {
        flipped += flip_all(&place, &segment, &checks);
    }
    assert!(flipped > 2000, "{flipped}");
    assert!(place.verify(&checks).is_intact());
}

fn flip_all(place: &Place, path: &std::path::Path, checks: &Checks) -> usize {
    let bytes = fs::read(path).unwrap();
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            fs::write(path, &changed).unwrap();
            let report = place.verify(checks);
            assert!(!report.is_intact(), "{} byte {at}", path.display());
        }
    }
    fs::write(path, &bytes).unwrap();
    bytes.len()
}

/// The records of a log of one segment, and what stands before them.
fn records(place: &Place) -> (Vec<u8>, Vec<Vec<u8>>) {
    let bytes = fs::read(&place.segments()[0]).unwrap();
    let ranges = record_ranges(&bytes);
    let records = ranges.iter().map(|range| bytes[range.clone()].to_vec()).collect();
    (bytes[..ranges[0].start].to_vec(), records)
}

#[test]
fn every_record_removed_repeated_swapped_or_cut_off_is_found_where_it_was() {
    let place = Place::filled(8, LARGE);
    let checks = held(&place);
    let (header, whole) = records(&place);
    let path = place.segments()[0].clone();
    let found = |records: &[Vec<u8>]| {
        fs::write(&path, [&header[..], &records.concat()].concat()).unwrap();
        let report = place.verify(&checks);
        assert!(!report.is_intact());
        report.findings[0].clone()
    };
    for at in 0..whole.len() {
        let offset = (header.len() + whole[..at].concat().len()) as u64;
        let mut removed = whole.clone();
        removed.remove(at);
        let finding = found(&removed);
        let last = at == whole.len() - 1;
        assert!(last == finding.what.contains("the log is cut"), "{finding}");
        assert!(last || finding.offset == offset, "{finding}");

        let mut repeated = whole.clone();
        repeated.insert(at + 1, whole[at].clone());
        assert_eq!(found(&repeated).offset, offset + whole[at].len() as u64);

        for other in at + 1..whole.len() {
            let mut swapped = whole.clone();
            swapped.swap(at, other);
            assert_eq!(found(&swapped).offset, offset, "{at} {other}");
        }
        assert!(found(&whole[..at]).what.contains("the log is cut"));
    }
}

#[test]
fn a_missing_or_shortened_segment_is_found() {
    for missing in 0..Place::filled(12, SMALL).segments().len() {
        let place = Place::filled(12, SMALL);
        let checks = held(&place);
        fs::remove_file(&place.segments()[missing]).unwrap();
        let report = place.verify(&checks);
        let last = missing == place.segments().len();
        let what = if last { "cut" } else { "missing" };
        assert!(report.findings[0].what.contains(what), "{}", report.findings[0]);

        let place = Place::filled(12, SMALL);
        let checks = held(&place);
        let path = place.segments()[missing].clone();
        let bytes = fs::read(&path).unwrap();
        let cut = record_ranges(&bytes).last().unwrap().start;
        fs::write(&path, &bytes[..cut]).unwrap();
        assert!(!place.verify(&checks).is_intact());
    }
}

#[test]
fn removed_checkpoints_are_missed_by_who_holds_one() {
    let place = Place::filled(5, LARGE);
    let checks = held(&place);
    fs::write(place.path().join("checkpoints"), "").unwrap();
    let report = place.verify(&Checks {
        checkpoints: Vec::new(),
        ..checks.clone()
    });
    assert!(
        report.findings[0].what.contains("no checkpoint is signed"),
        "{:?}",
        report.findings
    );
    assert!(
        place.verify(&checks).is_intact(),
        "the held one is there, and the log is whole"
    );
}

/// Writes a log of one segment anew, as somebody would who wants no trace: other events, everything computed again.
fn rewrite(place: &Place, edit: impl Fn(&mut Event), key: impl Fn(u32) -> EpochKey) {
    let (_, records) = records(place);
    let mut head = Head::default();
    let mut bytes = Header::after(&head).encode();
    for record in records {
        let epoch = u32::from_le_bytes(record[8..12].try_into().unwrap());
        let mut event: Event = serde_json::from_slice(&record[12..record.len() - 64]).unwrap();
        edit(&mut event);
        encode_record(&event, &key(epoch), &mut head, &mut bytes).unwrap();
    }
    fs::write(&place.segments()[0], bytes).unwrap();
}

#[test]
fn who_has_todays_key_cannot_rewrite_yesterday() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    let auditors = log.hand_out_key("the auditor".to_owned()).unwrap();
    assert_eq!((auditors.epoch, auditors.from), (1, 2));
    for number in 2..6 {
        log.append(&event(number)).unwrap();
    }
    let intruders = log.hand_out_key("somebody else".to_owned()).unwrap();
    log.append(&event(7)).unwrap();
    drop(log);
    let with_key = Checks {
        hmac_key: Some(auditors),
        ..Checks::default()
    };
    let report = place.verify(&with_key);
    assert_eq!((report.findings.as_slice(), report.sealed), (&[][..], 7));

    // With today's key for everything, all epochs numbered as they were.
    let checks = held(&place);
    let stolen = |epoch: u32| {
        let mut key = EpochKey::from_handed(&intruders).unwrap();
        while key.epoch() < epoch {
            key = key.next();
        }
        key.named(epoch)
    };
    let hide = |event: &mut Event| {
        if event.id == 3 {
            event.detail = Some("nothing happened".to_owned());
        }
    };
    fs::remove_file(place.path().join("checkpoints")).unwrap();
    rewrite(&place, hide, stolen);
    assert!(place.report().is_intact(), "without key or checkpoint nobody can tell");
    let report = place.verify(&with_key);
    assert_eq!(report.findings[0].record, Some(2), "{}", report.findings[0]);
    assert!(report.findings[0].what.contains("seal is wrong"));
    assert!(!place.verify(&checks).is_intact(), "and a held checkpoint shows it too");

    // All of it in the epoch of the stolen key: then the ends of the epochs before are missing.
    rewrite(&place, hide, |_| EpochKey::from_handed(&intruders).unwrap());
    let report = place.verify(&with_key);
    assert_eq!(report.findings[0].record, Some(2), "{}", report.findings[0]);
    assert!(report.findings[0].what.contains("epochs from 1 on are missing"));
}

#[test]
fn an_epoch_that_is_left_without_its_end_is_found_by_everybody() {
    let place = Place::filled(6, LARGE);
    let (header, mut whole) = records(&place);
    let mut head = Head::default();
    let mut bytes = header;
    let first = EpochKey::from_handed(&key(0)).unwrap();
    for (number, record) in whole.iter_mut().enumerate() {
        let event: Event = serde_json::from_slice(&record[12..record.len() - 64]).unwrap();
        let key = if number < 3 { first.named(0) } else { first.next() };
        encode_record(&event, &key, &mut head, &mut bytes).unwrap();
    }
    fs::remove_file(place.path().join("checkpoints")).unwrap();
    fs::write(&place.segments()[0], bytes).unwrap();
    let report = place.report();
    assert_eq!(
        (report.found, report.findings[0].record),
        (1, Some(4)),
        "{:?}",
        report.findings
    );
}

fn key(epoch: u32) -> aa_wire::api::AuditKey {
    aa_wire::api::AuditKey {
        algorithm: "hmac-sha256".to_owned(),
        epoch,
        from: 1,
        key: "07".repeat(32).into(),
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let place = Place::filled(1, LARGE);
    for (algorithm, text) in [
        ("hmac-sha256", "07"),
        ("none", &*"07".repeat(32)),
        ("hmac-sha256", &*"0G".repeat(32)),
    ] {
        let key = aa_wire::api::AuditKey {
            algorithm: algorithm.to_owned(),
            key: text.to_owned().into(),
            ..key(0)
        };
        let checks = Checks {
            hmac_key: Some(key),
            ..Checks::default()
        };
        assert!(verify(&place.path(), &checks).is_err());
    }
}
