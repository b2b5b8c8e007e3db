//! Reading a log while it is written, record by record, from a place that outlives the reader.
//!
//! A follower holds no file open and asks for nothing: it looks again whenever it is asked for the next record. What is half written
//! is left for the next time; what cannot be read, or was removed as a whole segment, is told as missing once something newer is there.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aa_wire::Event;

use crate::AuditError;
use crate::format::{Begin, Records, Step, body_number};
use crate::merkle::Hash;
use crate::segment::{self, Segment};

/// How far a follower goes back when the log does not hold the record it came to: a power cut takes what was written and not synced.
pub const REWIND: u64 = 4096;

/// What a follower finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The next record.
    Event(Box<Event>),
    /// The log does not hold these records any more, or not so that they can be read.
    Missing {
        /// The first of them.
        from: u64,
        /// How many.
        count: u64,
    },
    /// The record the follower had come to is another now: it goes on from here, and what it finds may have been found before.
    Rewound {
        /// The record it goes on from.
        from: u64,
    },
}

/// How far a follower has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The last record it found; 0 before the first.
    pub after: u64,
    /// The chain of that record; `None` if it is not known.
    pub chain: Option<Hash>,
}

/// A record's number, what it says if that is understood, and its chain.
type Found = (u64, Option<Box<Event>>, Hash);

/// Goes through a log and on with it.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    place: Place,
    /// The record at `place` has not been held against its chain yet.
    unchecked: bool,
    at: Option<At>,
    /// Read, and to be found when what is missing before it was told.
    held: Option<(u64, Box<Event>, Hash)>,
}

struct At {
    segment: Segment,
    reader: Option<Records<BufReader<File>>>,
    offset: u64,
    /// It became shorter.
    cut: bool,
}

impl Follower {
    /// Goes on from a place.
    pub fn new(directory: &Path, place: Place) -> Self {
        Self {
            directory: directory.to_owned(),
            place,
            unchecked: place.chain.is_some() && place.after > 0,
            at: None,
            held: None,
        }
    }

    /// Begins at the end of the log as it is now.
    pub fn at_end(directory: &Path) -> Result<Self, AuditError> {
        let mut follower = Self::new(directory, Place::default());
        let newest = segment::list(directory)?.segments.pop();
        follower.place.after = newest.as_ref().map_or(0, |segment| segment.first.saturating_sub(1));
        while follower.poll()?.is_some() {}
        Ok(follower)
    }

    /// How far it has come.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What comes next; `None` if there is nothing yet.
    pub fn poll(&mut self) -> Result<Option<Followed>, AuditError> {
        if let Some((number, event, chain)) = self.held.take() {
            return Ok(Some(self.found(number, event, chain)));
        }
        loop {
            if self.at.is_none() && !self.begin()? {
                return Ok(None);
            }
            if let Some(found) = self.step()? {
                return Ok(Some(found));
            }
            // A segment that is over is complete before the next one is there: what came in between is read first.
            let Some(successor) = self.successor()? else {
                self.rest();
                // The log ends before the place.
                return Ok(self.unchecked.then(|| self.rewind()));
            };
            if let Some(found) = self.step()? {
                return Ok(Some(found));
            }
            self.at = Some(At::new(successor));
        }
    }

    /// Finds the segment that holds the next record, or the first behind it.
    fn begin(&mut self) -> Result<bool, AuditError> {
        let from = self.place.after + u64::from(!self.unchecked);
        let mut segments = segment::list(&self.directory)?.segments;
        let begun = segments.partition_point(|segment| segment.first <= from);
        let index = begun.saturating_sub(1);
        self.at = (index < segments.len()).then(|| At::new(segments.swap_remove(index)));
        Ok(self.at.is_some())
    }

    fn successor(&self) -> Result<Option<Segment>, AuditError> {
        let first = self.at.as_ref().map_or(0, |at| at.segment.first);
        let segments = segment::list(&self.directory)?.segments;
        Ok(segments.into_iter().find(|segment| segment.first > first))
    }

    /// Nothing is held open until there is more.
    fn rest(&mut self) {
        if let Some(at) = &mut self.at {
            at.reader = None;
        }
    }

    fn step(&mut self) -> Result<Option<Followed>, AuditError> {
        loop {
            let Some(at) = &mut self.at else { return Ok(None) };
            let read = match at.read() {
                Ok(read) => read,
                // Retention took it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.at = None;
                    return Ok(None);
                }
                Err(error) => return Err(AuditError::file("read", &at.segment.path, error)),
            };
            self.unchecked |= std::mem::take(&mut at.cut) && self.place.chain.is_some();
            let Some((number, event, chain)) = read else {
                return Ok(None);
            };
            if self.unchecked && number >= self.place.after {
                self.unchecked = false;
                if number == self.place.after && self.place.chain != Some(chain) {
                    return Ok(Some(self.rewind()));
                }
            }
            let (Some(event), true) = (event, number > self.place.after) else {
                continue;
            };
            return Ok(Some(self.found(number, event, chain)));
        }
    }

    fn rewind(&mut self) -> Followed {
        self.unchecked = false;
        let after = self.place.after.saturating_sub(REWIND);
        self.place = Place { after, chain: None };
        self.at = None;
        Followed::Rewound { from: after + 1 }
    }

    fn found(&mut self, number: u64, event: Box<Event>, chain: Hash) -> Followed {
        let from = self.place.after + 1;
        if number > from {
            self.held = Some((number, event, chain));
            self.place = Place {
                after: number - 1,
                chain: None,
            };
            let count = number - from;
            return Followed::Missing { from, count };
        }
        self.place = Place {
            after: number,
            chain: Some(chain),
        };
        Followed::Event(event)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "At({} byte {})", self.segment.path.display(), self.offset)
    }
}

impl At {
    fn new(segment: Segment) -> Self {
        Self {
            segment,
            reader: None,
            offset: 0,
            cut: false,
        }
    }

    /// The next whole record from `offset` on; no event if it holds none that is understood.
    fn read(&mut self) -> io::Result<Option<Found>> {
        if self.reader.is_none() && !self.open()? {
            return Ok(None);
        }
        let Some(records) = &mut self.reader else {
            return Ok(None);
        };
        let Step::Record(seal) = records.step()? else {
            // What the buffer holds of it is read again when there is more.
            self.reader = None;
            return Ok(None);
        };
        self.offset = records.offset;
        let number = body_number(&records.body).unwrap_or(0);
        let event = serde_json::from_slice(&records.body).ok().map(Box::new);
        Ok(Some((number, event, seal.chain)))
    }

    fn open(&mut self) -> io::Result<bool> {
        let mut file = File::open(&self.segment.path)?;
        let length = file.metadata()?.len();
        // A write that failed was taken back, or a repair cut the file.
        if length < self.offset {
            (self.offset, self.cut) = (0, true);
        }
        if self.offset > 0 {
            if length == self.offset {
                return Ok(false);
            }
            file.seek(SeekFrom::Start(self.offset))?;
            self.reader = Some(Records::from_offset(
                BufReader::with_capacity(64 << 10, file),
                self.offset,
            ));
            return Ok(true);
        }
        let (begin, records) = Records::begin(BufReader::with_capacity(64 << 10, file))?;
        self.reader = matches!(begin, Begin::Header(_)).then_some(records);
        Ok(self.reader.is_some())
    }
}
