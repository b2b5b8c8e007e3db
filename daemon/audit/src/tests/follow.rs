//! Who reads while somebody writes misses nothing, and says what was not there to be read.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::{LARGE, Place, SMALL, event};
use crate::{Durability, Followed, Follower, REWIND};

/// Everything there is now, in words.
fn all(follower: &mut Follower) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(next) = follower.poll().unwrap() {
        found.push(match next {
            Followed::Event(event) => event.detail.clone().unwrap_or_default(),
            Followed::Missing { from, count } => format!("missing {count} from {from}"),
            Followed::Rewound { from } => format!("rewound to {from}"),
        });
    }
    found
}

fn from(place: &Place, after: u64) -> Follower {
    Follower::new(&place.path(), crate::Place { after, chain: None })
}

#[test]
fn a_follower_finds_each_record_once_over_segments_while_they_are_written() {
    let place = Place::new();
    let log = place.open(SMALL).unwrap().0;
    let mut follower = from(&place, 0);
    let mut found = Vec::new();
    for number in 1..=60 {
        log.append(&event(number)).unwrap();
        if number % 7 == 0 {
            found.append(&mut all(&mut follower));
            assert_eq!(follower.place().after, number);
        }
    }
    found.append(&mut all(&mut follower));
    let expected: Vec<_> = (1..=60).map(|number| format!("event {number}")).collect();
    assert_eq!(found, expected);
    assert!(place.segments().len() > 3);
}

#[test]
fn a_follower_goes_on_where_another_ended_and_begins_at_the_end_if_it_is_told() {
    let place = Place::new();
    let log = place.open(SMALL).unwrap().0;
    for number in 1..=20 {
        log.append(&event(number)).unwrap();
    }
    let mut first = from(&place, 13);
    first.poll().unwrap();
    let mut second = Follower::new(&place.path(), first.place());
    assert_eq!(all(&mut second)[0], "event 15");
    let mut end = Follower::at_end(&place.path()).unwrap();
    assert_eq!(end.place().after, 20);
    log.append(&event(21)).unwrap();
    assert_eq!(all(&mut end), ["event 21"]);
}

#[test]
fn a_record_that_is_half_written_is_found_when_it_is_whole() {
    let place = Place::filled(3, LARGE);
    let path = place.segments().remove(0);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, b"").unwrap();
    let mut follower = from(&place, 0);
    let mut found = Vec::new();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    for byte in whole {
        file.write_all(&[byte]).unwrap();
        found.append(&mut all(&mut follower));
    }
    assert_eq!(found[..3], ["event 1", "event 2", "event 3"]);
}

#[test]
fn segments_that_are_gone_and_records_that_cannot_be_read_are_told_as_missing() {
    let place = Place::filled(60, SMALL);
    let segments = place.segments();
    let mut follower = from(&place, 2);
    assert_eq!(all(&mut from(&place, 2))[0], "event 3");
    fs::remove_file(&segments[0]).unwrap();
    let mut bytes = fs::read(&segments[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[2], bytes).unwrap();
    let found = all(&mut follower);
    let missing: Vec<_> = found.iter().filter(|line| line.starts_with("missing")).collect();
    assert_eq!(missing.len(), 2, "{found:?}");
    assert!(
        found[0].ends_with("from 3") && found.contains(&"event 60".to_owned()),
        "{found:?}"
    );
    let counted = |line: &&String| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let lost: usize = missing.iter().map(counted).sum();
    // And the record that the log was closed.
    assert_eq!(found.len() - 2 + lost, 59);
}

#[test]
fn a_log_that_lost_its_end_is_followed_from_before_it() {
    let place = Place::new();
    let log = place.open(LARGE).unwrap().0;
    for number in 1..=5 {
        log.append(&event(number)).unwrap();
    }
    let cut = place.copy();
    for number in 6..=9 {
        log.append(&event(number)).unwrap();
    }
    let mut follower = Follower::new(&place.path(), crate::Place::default());
    all(&mut follower);
    let came_to = follower.place();
    assert_eq!(came_to.after, 9);
    // The log was cut: it ends before the place.
    let mut again = Follower::new(&cut.path(), came_to);
    assert_eq!(all(&mut again)[..2], ["rewound to 1", "event 1"]);
    // It has grown beyond the place with other records.
    let other = cut.open(LARGE).unwrap().0;
    let more: Vec<_> = (100..=120).map(event).collect();
    other.submit(more, Durability::Synced, |_| ());
    drop(other);
    let found = all(&mut Follower::new(&cut.path(), came_to));
    assert_eq!(found[..2], ["rewound to 1", "event 1"], "at most {REWIND} back");
    assert!(found.contains(&"event 100".to_owned()));
}
