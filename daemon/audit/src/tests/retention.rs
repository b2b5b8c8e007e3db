//! What is old goes as a whole and is signed for; what is left is proven as before.

use std::fs;

use super::{Place, SMALL, event};
use crate::{AuditError, Checks, Followed, Follower, Retired, newest_checkpoint, prove, prove_growth, public_key};
use aa_wire::Timestamp;

fn second(seconds: u64) -> Timestamp {
    Timestamp {
        unix_ns: seconds * 1_000_000_000,
    }
}

/// Forty records of a second each, and of them removed what is older than the twentieth.
fn retired() -> (Place, Retired) {
    let place = Place::filled(40, SMALL);
    let log = place.open(SMALL).unwrap().0;
    let retired = log.retire(second(20)).unwrap().unwrap();
    (place, retired)
}

fn findings(place: &Place) -> Vec<String> {
    place
        .report()
        .findings
        .iter()
        .map(|finding| finding.what.clone())
        .collect()
}

#[test]
fn old_segments_go_and_what_is_left_is_intact_and_names_them() {
    let place = Place::filled(40, SMALL);
    let before = place.segments();
    let log = place.open(SMALL).unwrap().0;
    assert_eq!(log.retire(second(0)).unwrap(), None, "nothing is so old");
    let retired = log.retire(second(20)).unwrap().unwrap();
    assert_eq!(retired.from, 1);
    assert!((10..20).contains(&retired.through) && retired.bytes > 0, "{retired:?}");
    assert_eq!(log.retire(second(20)).unwrap(), None, "once");
    log.append(&event(60)).unwrap();
    drop(log);
    assert_eq!(place.segments()[..3], before[retired.segments..retired.segments + 3]);
    let report = place.report();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(
        (report.removed, report.last - report.records),
        (retired.through, retired.through)
    );
    assert!(report.checkpoints > 0);
    let told = place
        .texts(0)
        .into_iter()
        .find(|text| text.contains("are removed"))
        .unwrap();
    assert!(
        told.starts_with(&format!("records 1 to {} are older", retired.through)),
        "{told}"
    );
    // And again, from there on; never the newest.
    let log = place.open(SMALL).unwrap().0;
    let again = log.retire(second(u64::MAX / 2_000_000_000)).unwrap().unwrap();
    assert_eq!(again.from, retired.through + 1);
    drop(log);
    assert!(!place.segments().is_empty());
    assert!(place.report().is_intact(), "{:?}", findings(&place));
    assert_eq!(place.report().removed, again.through);
}

#[test]
fn proofs_hold_for_what_is_left_and_from_checkpoints_about_it() {
    let place = Place::filled(40, SMALL);
    let since = newest_checkpoint(&place.path()).unwrap().unwrap();
    let log = place.open(SMALL).unwrap().0;
    let retired = log.retire(second(20)).unwrap().unwrap();
    log.append(&event(60)).unwrap();
    drop(log);
    let key = public_key(&place.path()).unwrap().unwrap();
    let newest = newest_checkpoint(&place.path()).unwrap().unwrap();
    assert!(newest.size > since.size);
    for number in [retired.through + 1, 30, newest.size] {
        prove(&place.path(), number, &newest).unwrap().check(&key).unwrap();
    }
    assert!(matches!(prove(&place.path(), 3, &newest), Err(AuditError::NoProof(_))));
    prove_growth(&place.path(), &since, &newest)
        .unwrap()
        .check(&key)
        .unwrap();
}

#[test]
fn seals_are_checked_on_behind_what_is_gone() {
    let place = Place::new();
    let log = place.open(SMALL).unwrap().0;
    let key = log.hand_out_key("somebody".into()).unwrap();
    for number in 1..=20 {
        log.append(&event(number)).unwrap();
    }
    // Epochs end in what goes.
    log.hand_out_key("somebody else".into()).unwrap();
    for number in 21..=40 {
        log.append(&event(number)).unwrap();
    }
    log.retire(second(35)).unwrap().unwrap();
    drop(log);
    let checks = Checks {
        hmac_key: Some(key),
        ..Checks::default()
    };
    let report = place.verify(&checks);
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.sealed, report.records);
}

#[test]
fn without_its_tombstone_or_with_another_it_is_missing() {
    let (place, retired) = retired();
    let stones = place.path().join("tombstones");
    let whole = fs::read_to_string(&stones).unwrap();
    fs::remove_file(&stones).unwrap();
    let missing = format!("{} records before this segment are missing", retired.through);
    assert!(findings(&place)[0].starts_with(&missing), "{:?}", findings(&place));
    // Every byte of it counts.
    for place_of in 0..whole.len() - 1 {
        let mut bytes = whole.clone().into_bytes();
        bytes[place_of] ^= 1;
        fs::write(&stones, bytes).unwrap();
        assert!(!place.report().is_intact(), "byte {place_of}");
    }
    // Another log's does not do.
    let (other, _) = self::retired();
    fs::copy(other.path().join("tombstones"), &stones).unwrap();
    assert!(
        findings(&place)
            .iter()
            .any(|what| what.contains("not signed by the log's key"))
    );
    fs::write(&stones, &whole).unwrap();
    assert!(place.report().is_intact());
    // Nor does it cover more than was removed.
    fs::remove_file(&place.segments()[0]).unwrap();
    assert!(findings(&place)[0].contains("are missing"), "{:?}", findings(&place));
}

#[test]
fn a_log_that_was_changed_keeps_what_is_old() {
    let place = Place::filled(40, SMALL);
    let segments = place.segments();
    let mut bytes = fs::read(&segments[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    let log = place.open(SMALL).unwrap().0;
    assert!(matches!(log.retire(second(20)), Err(AuditError::NotRetired(_))));
    fs::remove_file(&segments[1]).unwrap();
    assert!(matches!(log.retire(second(20)), Err(AuditError::NotRetired(_))));
    assert!(segments[0].exists() && !place.path().join("tombstones").exists());
}

#[test]
fn a_death_before_the_removal_leaves_an_intact_log_and_the_next_removal_ends_it() {
    let place = Place::filled(40, SMALL);
    let copy = place.copy();
    let log = place.open(SMALL).unwrap().0;
    let first = log.retire(second(20)).unwrap().unwrap();
    drop(log);
    // As if only some of them had gone.
    for segment in copy.segments().iter().take(first.segments).skip(1) {
        fs::copy(segment, place.path().join(segment.file_name().unwrap())).unwrap();
    }
    let report = place.report();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.removed, first.through, "what is left of it counts as gone");
    fs::copy(
        &copy.segments()[0],
        place.path().join(copy.segments()[0].file_name().unwrap()),
    )
    .unwrap();
    assert!(place.report().is_intact(), "{:?}", findings(&place));
    let stones = fs::read(place.path().join("tombstones")).unwrap();
    let log = place.open(SMALL).unwrap().0;
    assert_eq!(log.retire(second(20)).unwrap().unwrap().through, first.through);
    drop(log);
    assert_eq!(
        fs::read(place.path().join("tombstones")).unwrap(),
        stones,
        "one is enough"
    );
    assert!(place.report().is_intact());
}

#[test]
fn a_tombstone_shows_that_a_log_was_cut_and_a_follower_tells_what_is_gone() {
    let (place, retired) = retired();
    let mut follower = Follower::new(&place.path(), crate::Place::default());
    let expected = Followed::Missing {
        from: 1,
        count: retired.through,
    };
    assert_eq!(follower.poll().unwrap(), Some(expected));
    for segment in place.segments() {
        fs::remove_file(segment).unwrap();
    }
    fs::remove_file(place.path().join("checkpoints")).unwrap();
    let cut = format!("the log is cut: {} records were removed of it", retired.through);
    assert!(findings(&place)[0].starts_with(&cut), "{:?}", findings(&place));
}
