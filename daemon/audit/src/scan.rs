//! Reading events back. Reads what is complete; proving is [`crate::verify()`]'s.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use aa_wire::{Event, Timestamp};

use crate::AuditError;
use crate::format::{Begin, Records, Step};
use crate::segment::{self, Segment};

/// Events in the order of their numbers. A segment's unreadable rest is passed over.
#[derive(Debug)]
pub struct Scan {
    segments: VecDeque<Segment>,
    current: Option<Open>,
    from: u64,
}

struct Open {
    path: PathBuf,
    records: Records<BufReader<File>>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open")
            .field("path", &self.path)
            .field("offset", &self.records.offset)
            .finish()
    }
}

/// The events from number `from` on.
pub fn scan(directory: &Path, from: u64) -> Result<Scan, AuditError> {
    let mut segments: VecDeque<_> = segment::list(directory)?.segments.into();
    while segments.get(1).is_some_and(|second| second.first <= from) {
        segments.pop_front();
    }
    Ok(Scan {
        segments,
        current: None,
        from,
    })
}

/// The events that happened at `since` or later. Events are stored nearly, not strictly, in the order of their times.
pub fn scan_since(
    directory: &Path,
    since: Timestamp,
) -> Result<impl Iterator<Item = Result<Event, AuditError>>, AuditError> {
    let mut segments: VecDeque<_> = segment::list(directory)?.segments.into();
    while let Some(second) = segments.get(1) {
        let begins = Scan {
            segments: [second.clone()].into(),
            current: None,
            from: 0,
        }
        .next();
        // Keep the segment before the first that begins too late: its last events may be recent enough.
        match begins {
            Some(Ok(event)) if event.time < since => segments.pop_front(),
            _ => break,
        };
    }
    let scan = Scan {
        segments,
        current: None,
        from: 0,
    };
    Ok(scan.filter(move |event| event.as_ref().map_or(true, |event| event.time >= since)))
}

/// The last `limit` events for which `wanted` holds, oldest first; reads back only as far as it must.
pub fn last_matching(
    directory: &Path,
    limit: usize,
    mut wanted: impl FnMut(&Event) -> bool,
) -> Result<Vec<Event>, AuditError> {
    let mut found: VecDeque<Event> = VecDeque::new();
    for segment in segment::list(directory)?.segments.into_iter().rev() {
        let missing = limit.saturating_sub(found.len());
        if missing == 0 {
            break;
        }
        let mut here: VecDeque<Event> = VecDeque::new();
        for event in (Scan {
            segments: [segment].into(),
            current: None,
            from: 0,
        }) {
            let event = event?;
            if wanted(&event) {
                if here.len() == missing {
                    here.pop_front();
                }
                here.push_back(event);
            }
        }
        here.append(&mut found);
        found = here;
    }
    Ok(found.into())
}

impl Scan {
    fn advance(&mut self) -> Result<Option<Event>, AuditError> {
        loop {
            let Some(open) = &mut self.current else {
                let Some(next) = self.segments.pop_front() else {
                    return Ok(None);
                };
                let failed = |error| AuditError::file("read", &next.path, error);
                let file = File::open(&next.path).map_err(failed)?;
                let (begin, records) = Records::begin(BufReader::with_capacity(256 << 10, file)).map_err(failed)?;
                self.current = matches!(begin, Begin::Header(_)).then_some(Open {
                    path: next.path,
                    records,
                });
                continue;
            };
            let step = open
                .records
                .step()
                .map_err(|error| AuditError::file("read", &open.path, error))?;
            let Step::Record(_) = step else {
                self.current = None;
                continue;
            };
            let body = &open.records.body;
            if crate::format::body_number(body).is_some_and(|number| number < self.from) {
                continue;
            }
            if let Ok(event) = serde_json::from_slice(body) {
                return Ok(Some(event));
            }
        }
    }
}

impl Iterator for Scan {
    type Item = Result<Event, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.current = None;
            self.segments.clear();
        }
        result.transpose()
    }
}
