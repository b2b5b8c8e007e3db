//! The end of the log, and what comes to it, from its files.

use std::path::Path;
use std::time::Duration;

use aa_audit::{Followed, Follower, Place};

use super::unreadable;
use crate::events::line;
use crate::exit::Failure;
use crate::{print, print_json};

/// Between two looks.
const POLL: Duration = Duration::from_millis(200);

pub(super) fn tail(directory: &Path, count: u64, follow: bool, json: bool) -> Result<(), Failure> {
    let end = Follower::at_end(directory).map_err(|error| unreadable(&error))?;
    let after = end.place().after.saturating_sub(count);
    let mut follower = Follower::new(directory, Place { after, chain: None });
    loop {
        match follower.poll().map_err(|error| unreadable(&error))? {
            Some(Followed::Event(event)) if json => print_json(&event)?,
            Some(Followed::Event(event)) => print(&(line(&event) + "\n")),
            Some(Followed::Missing { from, count }) => {
                eprintln!("aasm: the log does not hold {count} records from {from} on: aasm audit verify");
            }
            Some(Followed::Rewound { from }) => {
                eprintln!("aasm: the log lost its end; from {from} on again");
            }
            None if follow => std::thread::sleep(POLL),
            None => return Ok(()),
        }
    }
}
