//! The log as its users see it: appended, reopened, rotated, cut, changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use crate::{AuditLog, Durability, Options, last_matching, scan, scan_since, verify};
use aa_wire::Event;
use aa_wire::event::{Effect, Kind};
use aa_wire::time::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

const SMALL: Options = Options { segment_bytes: 2000 };

fn event(number: u64) -> Event {
    let time = Timestamp {
        unix_ns: number * 1_000_000_000,
    };
    Event {
        detail: Some(format!("event {number}")),
        ..Event::bare(time, Kind::Lifecycle, Effect::Allowed, "test")
    }
}

fn filled(count: u64, options: Options) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(directory.path(), options).unwrap();
    for number in 1..=count {
        assert_eq!(log.append(&event(number)).unwrap().0, number);
    }
    directory
}

#[test]
fn a_second_writer_is_refused_until_the_first_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let open = || AuditLog::open(directory.path(), Options::default());
    let (first, _) = open().unwrap();
    first.append(&event(1)).unwrap();
    assert!(matches!(open(), Err(crate::AuditError::InUse(_))));
    drop(first);
    assert_eq!(open().unwrap().1.last, 1);
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    paths
}

fn texts(directory: &Path, from: u64) -> Vec<String> {
    scan(directory, from)
        .unwrap()
        .map(|event| event.unwrap().detail.unwrap_or_default())
        .collect()
}

#[test]
fn what_is_appended_is_read_back_over_segments_and_restarts() {
    let directory = filled(30, SMALL);
    assert!(segments(directory.path()).len() > 2);
    let (log, recovery) = AuditLog::open(directory.path(), SMALL).unwrap();
    assert_eq!((recovery.last, recovery.repairs.len()), (30, 0));
    assert_eq!(log.append(&event(31)).unwrap().0, 31);
    drop(log);
    assert_eq!(texts(directory.path(), 29), ["event 29", "event 30", "event 31"]);
    let report = verify(directory.path()).unwrap();
    assert_eq!(
        (report.findings.as_slice(), report.records, report.last),
        (&[][..], 31, 31)
    );
}

#[test]
fn the_last_events_and_the_recent_ones_are_found_without_reading_everything() {
    let directory = filled(40, SMALL);
    let odd = last_matching(directory.path(), 3, |event| event.id % 2 == 1).unwrap();
    assert_eq!(odd.iter().map(|event| event.id).collect::<Vec<_>>(), [35, 37, 39]);
    let since = Timestamp {
        unix_ns: 38_000_000_000,
    };
    let recent: Vec<_> = scan_since(directory.path(), since)
        .unwrap()
        .map(|event| event.unwrap().id)
        .collect();
    assert_eq!(recent, [38, 39, 40]);
}

#[test]
fn batches_of_many_threads_are_all_acknowledged_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(directory.path(), Options::default()).unwrap();
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
    assert!(verify(directory.path()).unwrap().is_intact());
}

#[test]
fn a_missing_segment_is_found() {
    let directory = filled(30, SMALL);
    fs::remove_file(&segments(directory.path())[1]).unwrap();
    let report = verify(directory.path()).unwrap();
    assert_eq!(report.found, 1, "{:?}", report.findings);
    assert!(report.findings[0].what.contains("missing"), "{}", report.findings[0]);
}

#[test]
fn a_missing_beginning_is_found() {
    let directory = filled(30, SMALL);
    fs::remove_file(&segments(directory.path())[0]).unwrap();
    assert!(!verify(directory.path()).unwrap().is_intact());
}

#[test]
fn a_segment_cut_at_a_records_end_is_found_unless_it_is_the_newest() {
    let directory = filled(30, SMALL);
    let first = segments(directory.path())[0].clone();
    let bytes = fs::read(&first).unwrap();
    let cut = record_ranges(&bytes).last().unwrap().start;
    fs::write(&first, &bytes[..cut]).unwrap();
    let report = verify(directory.path()).unwrap();
    assert_eq!(report.found, 1);
    assert!(
        report.findings[0]
            .what
            .contains("1 records before this segment are missing"),
        "{}",
        report.findings[0]
    );
}

#[test]
fn deleted_and_swapped_records_are_found_where_they_were() {
    for (name, rearrange) in [
        (
            "deleted",
            (|records: &mut Vec<Vec<u8>>| drop(records.remove(3))) as fn(&mut Vec<Vec<u8>>),
        ),
        ("swapped", |records| records.swap(3, 4)),
        ("repeated", |records| records.insert(3, records[2].clone())),
    ] {
        let directory = filled(8, Options::default());
        let path = segments(directory.path())[0].clone();
        let bytes = fs::read(&path).unwrap();
        let ranges = record_ranges(&bytes);
        let mut records: Vec<Vec<u8>> = ranges.iter().map(|range| bytes[range.clone()].to_vec()).collect();
        rearrange(&mut records);
        fs::write(&path, [&bytes[..52], &records.concat()].concat()).unwrap();
        let report = verify(directory.path()).unwrap();
        assert!(!report.is_intact(), "{name}");
        assert_eq!(
            report.findings[0].offset, ranges[3].start as u64,
            "{name}: {}",
            report.findings[0]
        );
    }
}

#[test]
fn a_careful_edit_with_a_right_checksum_is_found() {
    let directory = filled(8, Options::default());
    let path = segments(directory.path())[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    let range = record_ranges(&bytes)[4].clone();
    let body = range.start + 8..range.end - 32;
    let place = body.start
        + bytes[body.clone()]
            .windows(7)
            .position(|window| window == b"event 5")
            .unwrap();
    bytes[place + 6] = b'6';
    let mut checked = bytes[range.start..range.start + 4].to_vec();
    checked.extend_from_slice(&bytes[body]);
    bytes[range.start + 4..range.start + 8].copy_from_slice(&crc32fast::hash(&checked).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let report = verify(directory.path()).unwrap();
    assert_eq!(
        (report.found, report.findings[0].record),
        (1, Some(5)),
        "{:?}",
        report.findings
    );
}

#[test]
fn a_full_disk_is_told_and_forgotten_once_there_is_room() {
    // A directory in the way of the next segment stands in for the disk that has no room for it.
    let directory = filled(1, Options { segment_bytes: 60 });
    let next = directory.path().join("audit-00000000000000000002.log");
    fs::create_dir(&next).unwrap();
    fs::rename(&next, directory.path().join("aside")).unwrap();
    let (log, _) = AuditLog::open(directory.path(), Options { segment_bytes: 60 }).unwrap();
    fs::rename(directory.path().join("aside"), &next).unwrap();
    assert!(log.append(&event(2)).is_err());
    assert!(log.failing().is_some());
    fs::remove_dir(&next).unwrap();
    assert_eq!(log.append(&event(2)).unwrap().0, 2);
    assert_eq!(log.failing(), None);
}

fn record_ranges(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 52;
    while start < bytes.len() {
        let length = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
        ranges.push(start..start + 8 + length + 32);
        start += 8 + length + 32;
    }
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_log_cut_at_any_byte_keeps_every_whole_record_and_goes_on(position in 0.0..1.0f64) {
        let directory = filled(5, Options::default());
        let path = segments(directory.path())[0].clone();
        let bytes = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let cut = (bytes.len() as f64 * position) as usize;
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole = record_ranges(&bytes).iter().filter(|range| range.end <= cut).count() as u64;
        let at_boundary = cut == 52 || record_ranges(&bytes).iter().any(|range| range.end == cut);

        let (log, recovery) = AuditLog::open(directory.path(), Options::default()).unwrap();
        prop_assert_eq!(recovery.last, whole);
        prop_assert_eq!(recovery.repairs.len(), usize::from(!at_boundary));
        prop_assert_eq!(log.append(&event(99)).unwrap().0, whole + 1 + u64::from(!at_boundary));
        drop(log);
        let report = verify(directory.path()).unwrap();
        prop_assert!(report.is_intact(), "{:?}", report.findings);
    }

    #[test]
    fn any_flipped_bit_is_found_and_nothing_is_destroyed(position in 0.0..1.0f64, bit in 0..8u8) {
        let directory = filled(5, Options::default());
        let path = segments(directory.path())[0].clone();
        let mut bytes = fs::read(&path).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let place = (bytes.len() as f64 * position) as usize;
        bytes[place] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        prop_assert!(!verify(directory.path()).unwrap().is_intact());

        let (log, recovery) = AuditLog::open(directory.path(), Options::default()).unwrap();
        drop(log);
        prop_assert_eq!(recovery.repairs.len(), 1);
        let repair = &recovery.repairs[0];
        prop_assert_eq!(fs::read(&repair.set_aside).unwrap(), &bytes[usize::try_from(repair.offset).unwrap()..]);
        let report = verify(directory.path()).unwrap();
        prop_assert!(repair.torn || !report.is_intact());
        prop_assert!(texts(directory.path(), 1).iter().any(|text| text.contains("set aside")));
    }

    #[test]
    fn any_file_is_read_without_a_panic(bytes: Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("audit-00000000000000000001.log"), &bytes).unwrap();
        let _ = verify(directory.path()).unwrap();
        let _ = texts(directory.path(), 0);
        AuditLog::open(directory.path(), Options::default()).unwrap();
    }
}
