//! The log as its users see it: appended, reopened, rotated, cut, changed.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;

use crate::{
    AuditError, AuditLog, Checks, Durability, Options, Recovery, Report, last_matching, scan, scan_since, verify,
};
use aa_wire::Event;
use aa_wire::event::{Effect, Kind};
use aa_wire::time::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

mod follow;
mod keys;
mod proofs;
mod retention;
mod speed;
mod tamper;
mod torn;
mod witness;

const SMALL: u64 = 900;
const LARGE: u64 = crate::SEGMENT_BYTES;

/// A log's directory and that of its keys.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.keys()).unwrap();
        place
    }

    fn filled(count: u64, segment_bytes: u64) -> Self {
        let place = Self::new();
        let log = place.open(segment_bytes).unwrap().0;
        for number in 1..=count {
            assert_eq!(log.append(&event(number)).unwrap().0, number);
        }
        drop(log);
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn open(&self, segment_bytes: u64) -> Result<(AuditLog, Recovery), AuditError> {
        let options = Options {
            segment_bytes,
            ..Options::new(self.keys())
        };
        AuditLog::open(&self.path(), &options)
    }

    fn verify(&self, checks: &Checks) -> Report {
        verify(&self.path(), checks).unwrap()
    }

    fn report(&self) -> Report {
        self.verify(&Checks::default())
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        paths.sort();
        paths
    }

    fn texts(&self, from: u64) -> Vec<String> {
        let events = scan(&self.path(), from).unwrap();
        events.map(|event| event.unwrap().detail.unwrap_or_default()).collect()
    }

    /// As a disk has it after a power cut.
    fn copy(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.path()).unwrap();
        for (from, to) in [(self.path(), copy.path()), (self.keys(), copy.keys())] {
            for entry in fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
        }
        copy
    }
}

fn event(number: u64) -> Event {
    let time = Timestamp {
        unix_ns: number * 1_000_000_000,
    };
    Event {
        detail: Some(format!("event {number}")),
        ..Event::bare(time, Kind::Decision, Effect::Allowed, "test")
    }
}

#[test]
fn a_second_writer_is_refused_until_the_first_has_ended() {
    let place = Place::new();
    let (first, _) = place.open(LARGE).unwrap();
    first.append(&event(1)).unwrap();
    assert!(matches!(place.open(LARGE), Err(AuditError::InUse(_))));
    drop(first);
    // And the record that it was closed.
    assert_eq!(place.open(LARGE).unwrap().1.last, 2);
}

#[test]
fn what_is_appended_is_read_back_over_segments_and_restarts() {
    let place = Place::filled(30, SMALL);
    assert!(place.segments().len() > 2);
    let (log, recovery) = place.open(SMALL).unwrap();
    assert_eq!((recovery.last, recovery.closed, recovery.repairs.len()), (31, true, 0));
    assert_eq!(log.append(&event(32)).unwrap().0, 32);
    drop(log);
    let texts = place.texts(29);
    assert_eq!([&texts[0], &texts[1], &texts[3]], ["event 29", "event 30", "event 32"]);
    assert!(
        texts[2].contains("epoch 0 ends") && texts[4].contains("epoch 1 ends"),
        "{texts:?}"
    );
    let report = place.report();
    assert_eq!(
        (report.findings.as_slice(), report.records, report.last, report.signed),
        (&[][..], 33, 33, 33)
    );
}

#[test]
fn a_log_that_was_not_closed_says_so() {
    let place = Place::new();
    let (log, recovery) = place.open(LARGE).unwrap();
    assert!(recovery.closed);
    log.append(&event(1)).unwrap();
    let killed = place.copy();
    let (log, recovery) = killed.open(LARGE).unwrap();
    assert!(!recovery.closed && recovery.repairs.is_empty());
    assert_eq!(log.append(&event(2)).unwrap().0, 2);
    drop(log);
    assert!(killed.report().is_intact());
}

#[test]
fn the_last_events_and_the_recent_ones_are_found_without_reading_everything() {
    let place = Place::filled(40, SMALL);
    let odd = last_matching(&place.path(), 3, |event| event.id % 2 == 1 && event.action == "test").unwrap();
    assert_eq!(odd.iter().map(|event| event.id).collect::<Vec<_>>(), [35, 37, 39]);
    let since = Timestamp {
        unix_ns: 38_000_000_000,
    };
    let recent: Vec<_> = scan_since(&place.path(), since)
        .unwrap()
        .map(|event| event.unwrap().id)
        .collect();
    assert_eq!(recent, [38, 39, 40, 41]);
}

#[test]
fn batches_of_many_threads_are_all_acknowledged_in_order() {
    let place = Place::new();
    let (log, _) = place.open(LARGE).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (log, sender) = (&log, sender.clone());
            scope.spawn(move || {
                for batch in 0..50 {
                    let durability = if batch % 2 == 0 {
                        Durability::Synced
                    } else {
                        Durability::Written
                    };
                    let sender = sender.clone();
                    log.submit(vec![event(thread), event(batch)], durability, move |result| {
                        sender.send(result.unwrap()).unwrap();
                    });
                }
            });
        }
    });
    drop((log, sender));
    let ids: Vec<u64> = receiver.iter().flatten().map(|event| event.id).collect();
    assert_eq!(ids, (1..=400).collect::<Vec<_>>());
    assert!(place.report().is_intact());
}

#[test]
fn a_full_disk_is_told_and_forgotten_once_there_is_room() {
    // A directory in the way of the next segment stands in for the disk that has no room for it.
    let place = Place::new();
    let (log, _) = place.open(60).unwrap();
    log.append(&event(1)).unwrap();
    let next = place.path().join("audit-00000000000000000002.log");
    fs::create_dir(&next).unwrap();
    assert!(log.append(&event(2)).is_err());
    assert!(log.failing().is_some());
    fs::remove_dir(&next).unwrap();
    assert_eq!(log.append(&event(2)).unwrap().0, 2);
    assert_eq!(log.failing(), None);
    drop(log);
    assert!(place.report().is_intact());
}

#[test]
fn a_log_of_the_format_before_is_refused_with_what_to_do() {
    let place = Place::filled(1, LARGE);
    let mut bytes = fs::read(&place.segments()[0]).unwrap();
    bytes[7] = b'1';
    fs::write(&place.segments()[0], &bytes).unwrap();
    let refused = [
        verify(&place.path(), &Checks::default()).unwrap_err(),
        place.open(LARGE).unwrap_err(),
    ];
    for error in refused {
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("format 1") && cause.contains("move"), "{cause}");
    }
    assert_eq!(fs::read(&place.segments()[0]).unwrap(), bytes);
}

/// Where the records lie.
fn record_ranges(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let first = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
    let mut ranges = Vec::new();
    let mut start = 60 + 32 * (first - 1).count_ones() as usize;
    while start < bytes.len() {
        let length = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
        ranges.push(start..start + 12 + length + 64);
        start += 12 + length + 64;
    }
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_read_without_a_panic(bytes: Vec<u8>, magic: bool) {
        let place = Place::new();
        fs::create_dir(place.path()).unwrap();
        let begin: &[u8] = if magic { crate::format::MAGIC } else { b"" };
        fs::write(place.path().join("audit-00000000000000000001.log"), [begin, &bytes].concat()).unwrap();
        fs::write(place.path().join("checkpoints"), &bytes).unwrap();
        let _ = place.report();
        let _ = place.texts(0);
        place.open(LARGE).unwrap();
    }
}

#[test]
fn the_group_reads_a_log_whatever_the_umask_and_nobody_else_does() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::filled(9, SMALL);
    let strict = |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // As a umask of 077 left them.
    strict(&place.path(), 0o700);
    place.segments().iter().for_each(|segment| strict(segment, 0o600));
    let log = place.open(SMALL).unwrap().0;
    for number in 10..20 {
        log.append(&event(number)).unwrap();
    }
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path()), 0o750);
    assert!(place.segments().len() > 3 && place.segments().iter().all(|segment| mode(segment) == 0o640));
}
