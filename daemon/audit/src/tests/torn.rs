//! Deaths at every byte.

use std::fs;

use super::{LARGE, Place, event, record_ranges};
use crate::Checks;

/// Opens what a death left, and appends: whole, and nothing that was acknowledged is missing.
fn recovers(place: &Place, segment_bytes: u64, whole: u64, torn: bool, what: &str) {
    let (log, recovery) = place.open(segment_bytes).unwrap();
    assert_eq!(recovery.last, whole, "{what}");
    assert_eq!(
        recovery.repairs.len(),
        usize::from(torn),
        "{what}: {:?}",
        recovery.repairs
    );
    assert!(
        !recovery.closed && recovery.repairs.iter().all(|repair| repair.torn),
        "{what}"
    );
    assert_eq!(log.append(&event(99)).unwrap().0, whole + 1 + u64::from(torn), "{what}");
    drop(log);
    let report = place.report();
    assert!(
        report.is_intact() && report.checkpoints == 1,
        "{what}: {:?}",
        report.findings
    );
    let texts = place.texts(1);
    assert_eq!(texts.iter().any(|text| text.contains("set aside")), torn, "{what}");
    for number in 1..=whole {
        assert!(texts.contains(&format!("event {number}")), "{what}");
    }
}

#[test]
fn a_record_torn_at_any_byte_is_set_aside_and_nothing_else_is_lost() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    for number in 1..=4 {
        log.append(&event(number)).unwrap();
    }
    let bytes = fs::read(&place.segments()[0]).unwrap();
    let last = record_ranges(&bytes)[3].clone();
    for end in last.clone() {
        let cut = place.copy();
        fs::write(&cut.segments()[0], &bytes[..end]).unwrap();
        let live = Checks {
            live: true,
            ..Checks::default()
        };
        assert!(cut.verify(&live).is_intact());
        recovers(&cut, LARGE, 3, end != last.start, &format!("cut at {end}"));
    }
    // A disk that wrote the length of the file before its bytes.
    for end in last.clone() {
        let cut = place.copy();
        let mut zeros = bytes.clone();
        zeros[end..].fill(0);
        fs::write(&cut.segments()[0], &zeros).unwrap();
        let (log, recovery) = cut.open(LARGE).unwrap();
        assert!(
            recovery.last == 3 && recovery.repairs.len() == 1,
            "zeros from {end}: {recovery:?}"
        );
        drop(log);
        assert_eq!(cut.texts(1).iter().filter(|text| text.starts_with("event")).count(), 3);
    }
}

#[test]
fn a_segment_torn_at_any_byte_of_its_beginning_is_made_again() {
    let place = Place::new();
    let (log, _) = place.open(900).unwrap();
    let mut number = 0;
    while place.segments().len() < 2 {
        number += 1;
        log.append(&event(number)).unwrap();
    }
    let path = place.segments()[1].clone();
    let bytes = fs::read(&path).unwrap();
    let begin = record_ranges(&bytes)[0].start;
    for end in 0..=begin {
        let cut = place.copy();
        fs::write(&cut.segments()[1], &bytes[..end]).unwrap();
        recovers(&cut, 900, number - 1, end != begin, &format!("cut at {end}"));
    }
}

#[test]
fn a_checkpoint_torn_at_any_byte_is_cut_off() {
    let place = Place::filled(3, LARGE);
    let path = place.path().join("checkpoints");
    let note = fs::read(&path).unwrap();
    drop(place.open(LARGE).unwrap());
    for end in 0..note.len() {
        let cut = place.copy();
        fs::write(cut.path().join("checkpoints"), [&note, &note[..end]].concat()).unwrap();
        let live = Checks {
            live: true,
            ..Checks::default()
        };
        assert!(
            cut.verify(&live).is_intact(),
            "cut at {end}: {:?}",
            cut.verify(&live).findings
        );
        drop(cut.open(LARGE).unwrap());
        let report = cut.report();
        assert!(
            report.is_intact() && report.checkpoints > 0,
            "cut at {end}: {:?}",
            report.findings
        );
    }
}

#[test]
fn bytes_that_are_no_record_are_set_aside_and_stay_a_finding() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    for number in 1..=3 {
        log.append(&event(number)).unwrap();
    }
    let bytes = fs::read(&place.segments()[0]).unwrap();
    for range in record_ranges(&bytes) {
        for at in range.clone().step_by(7) {
            let changed = place.copy();
            let mut copy = bytes.clone();
            copy[at] ^= 0x10;
            fs::write(&changed.segments()[0], &copy).unwrap();
            assert!(!changed.report().is_intact(), "byte {at}");
            let (log, recovery) = changed.open(LARGE).unwrap();
            drop(log);
            let [repair] = &recovery.repairs[..] else {
                panic!("byte {at}: {recovery:?}")
            };
            let kept = fs::read(&repair.set_aside).unwrap();
            assert_eq!(kept, &copy[usize::try_from(repair.offset).unwrap()..]);
            assert!(repair.torn || !changed.report().is_intact(), "byte {at}");
        }
    }
}
