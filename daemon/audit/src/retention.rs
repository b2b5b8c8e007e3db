//! Removing what is old: whole segments from the beginning of the log, and a tombstone in their place.
//!
//! A tombstone is a signed note like a checkpoint, under a name of its own, in the file `tombstones`:
//!
//! ```text
//! aa-sensord/9d1c5b8e7f60a1b2/tombstone
//! 131072                                 records that are gone: from 1 up to this
//! NyZ8...=                               root of the tree over them
//! chain mX1a...=                         chain of the last of them
//! time 2026-11-23T21:03:17.000000000Z    when they were removed
//!
//! — aa-sensord/9d1c5b8e7f60a1b2 x08go...=
//! ```
//!
//! The segment behind them has root (by its peaks) and chain in its header, so all that is proven of what is left is proven as before. Only
//! what is found whole is removed: a log that somebody changed keeps all of it. The record that says so, the tombstone and the removal follow one
//! another, each on the disk before the next; a death in between leaves segments that nobody looks at and the next removal takes.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aa_wire::event::Effect;
use aa_wire::{Event, Timestamp};

use crate::checkpoints::{Note, Notes};
use crate::format::{Begin, Head, Header, Records, Step, body_number};
use crate::merkle::Hash;
use crate::note::{Checkpoint, PublicKey, Signatory};
use crate::segment::{self, FILE_MODE, Segment, share, sync_directory};
use crate::{AuditError, AuditLog, base64};

const TOMBSTONES: &str = "tombstones";
/// The action of the record that says what goes.
const ACTION: &str = "audit-retention";

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The first record that is gone.
    pub from: u64,
    /// The last.
    pub through: u64,
    /// How many segments.
    pub segments: usize,
    /// How many bytes.
    pub bytes: u64,
}

/// What stands in the place of what was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The last record that is gone.
    pub(crate) through: u64,
    root: Hash,
    chain: Hash,
    origin: String,
    note: String,
}

impl Tombstone {
    fn parse(note: Checkpoint) -> Option<Self> {
        let mut lines = note.note.lines().skip(3);
        let chain = base64::decode(lines.next()?.strip_prefix("chain ")?)?.try_into().ok()?;
        Some(Self {
            through: note.size,
            root: note.root,
            chain,
            origin: note.origin,
            note: note.note,
        })
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.origin == origin(key) && key.open(&self.note).is_some()
    }

    /// Whether a segment with this header is what was behind it.
    pub(crate) fn is_before(&self, header: &Header) -> bool {
        header.tree.size() == self.through && header.tree.root() == self.root && header.previous == self.chain
    }
}

fn origin(key: &PublicKey) -> String {
    format!("{}/tombstone", key.name())
}

/// All there are, in their order; `Err` holds the place of what is none.
pub(crate) fn tombstones(directory: &Path) -> Result<Vec<Result<Tombstone, u64>>, AuditError> {
    let path = directory.join(TOMBSTONES);
    let mut found = Vec::new();
    for note in Notes::of(&path)?.into_iter().flatten() {
        found.push(match note.map_err(|error| AuditError::file("read", &path, error))? {
            (offset, Note::Checkpoint(note)) => Tombstone::parse(note).ok_or(offset),
            (offset, Note::Malformed | Note::Unfinished) => Err(offset),
        });
    }
    Ok(found)
}

/// The segments that are to be there: a removal that was cut short may have left some that a tombstone is about.
pub(crate) fn remaining(mut segments: Vec<Segment>, stones: &[Tombstone]) -> Result<Vec<Segment>, AuditError> {
    let follows = |segment: &Segment| -> Result<bool, AuditError> {
        let failed = |error| AuditError::file("read", &segment.path, error);
        let file = File::open(&segment.path).map_err(failed)?;
        let (begin, _) = Records::begin(BufReader::new(file)).map_err(failed)?;
        let Begin::Header(header) = begin else { return Ok(false) };
        Ok(stones.iter().any(|stone| stone.is_before(&header)))
    };
    if stones.is_empty() || segments.first().is_none_or(|first| first.first == 1) {
        return Ok(segments);
    }
    for index in 0..segments.len() {
        if segments.get(index).map_or(Ok(false), follows)? {
            segments.drain(..index);
            break;
        }
    }
    Ok(segments)
}

/// Signs that all before a segment is gone.
pub(crate) fn bury(
    directory: &Path,
    signatory: &Signatory,
    header: &Header,
    time: Timestamp,
) -> Result<(), AuditError> {
    let path = directory.join(TOMBSTONES);
    let failed = |error| AuditError::file("write", &path, error);
    let (size, root) = (header.tree.size(), base64::encode(&header.tree.root()));
    let chain = base64::encode(&header.previous);
    let text = format!(
        "{}\n{size}\n{root}\nchain {chain}\ntime {time}\n",
        origin(signatory.public())
    );
    let note = signatory.sign_text(&text) + "\n";
    // What a death left unfinished goes: what it was about is still there.
    let whole: u64 = tombstones(directory)?
        .into_iter()
        .find_map(Result::err)
        .unwrap_or(u64::MAX);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > whole {
        file.set_len(whole).map_err(failed)?;
    }
    share(&file, FILE_MODE);
    file.write_all(note.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    sync_directory(directory).map_err(failed)
}

impl AuditLog {
    /// Removes the segments all of whose records are older, but for the newest; `None` if there is none. Takes as long as reading
    /// them, on the caller's thread; the writer goes on meanwhile.
    ///
    /// # Errors
    /// What cannot be read, written or removed, and a log whose old part is not whole: nothing is removed then.
    pub fn retire(&self, before: Timestamp) -> Result<Option<Retired>, AuditError> {
        let directory = self.directory();
        let Some((old, header)) = plan(directory, before)? else {
            return Ok(None);
        };
        let buried = tombstones(directory)?
            .into_iter()
            .flatten()
            .any(|stone| stone.is_before(&header));
        let mut retired = Retired {
            from: old.first().map_or(1, |segment| segment.first),
            through: header.tree.size(),
            segments: old.len(),
            bytes: 0,
        };
        for segment in &old {
            let metadata = fs::metadata(&segment.path);
            retired.bytes += metadata
                .map_err(|error| AuditError::file("read", &segment.path, error))?
                .len();
        }
        if !buried {
            check(&old, &header)?;
            let Retired {
                from,
                through,
                segments,
                bytes,
            } = retired;
            let detail = format!(
                "records {from} to {through} are older than {before}: {segments} segments, {bytes} bytes, are removed"
            );
            self.append(&Event::lifecycle(ACTION, Effect::Allowed, detail))?;
            self.bury(header)?;
        }
        // From the beginning: what a death leaves is one piece.
        for segment in &old {
            fs::remove_file(&segment.path).map_err(|error| AuditError::file("remove", &segment.path, error))?;
        }
        sync_directory(directory).map_err(|error| AuditError::file("sync", directory, error))?;
        Ok(Some(retired))
    }
}

/// What goes, and the header of the segment behind it. Records stand nearly in the order of their times: where a segment begins before
/// the time, all before that segment is older.
fn plan(directory: &Path, before: Timestamp) -> Result<Option<(Vec<Segment>, Header)>, AuditError> {
    let mut segments = segment::list(directory)?.segments;
    let mut keep = 0;
    let mut behind = None;
    for (index, segment) in segments.iter().enumerate().skip(1) {
        let (header, first) = begin(segment)?;
        if first.is_none_or(|time| time >= before) {
            break;
        }
        keep = index;
        behind = Some(header);
    }
    segments.truncate(keep);
    Ok(behind.map(|header| (segments, header)))
}

/// A segment's header and the time of its first record, if it has one.
fn begin(segment: &Segment) -> Result<(Header, Option<Timestamp>), AuditError> {
    let failed = |error| AuditError::file("read", &segment.path, error);
    let file = File::open(&segment.path).map_err(failed)?;
    let (begin, mut records) = Records::begin(BufReader::new(file)).map_err(failed)?;
    let Begin::Header(header) = begin else {
        return Err(not_whole(&segment.path));
    };
    let first = matches!(records.step().map_err(failed)?, Step::Record(_));
    let event: Option<Event> = serde_json::from_slice(&records.body).ok().filter(|_| first);
    Ok((header, event.map(|event| event.time)))
}

/// Whether records follow one another up to the segment behind them, as their chain and tree say.
fn check(old: &[Segment], behind: &Header) -> Result<(), AuditError> {
    let mut before: Option<Head> = None;
    for segment in old {
        let failed = |error| AuditError::file("read", &segment.path, error);
        let file = File::open(&segment.path).map_err(failed)?;
        let (begin, mut records) = Records::begin(BufReader::with_capacity(1 << 20, file)).map_err(failed)?;
        let Begin::Header(header) = begin else {
            return Err(not_whole(&segment.path));
        };
        let mut head = Head::before(&header);
        if before.is_some_and(|before| !meets(&before, &header)) {
            return Err(not_whole(&segment.path));
        }
        loop {
            match records.step().map_err(failed)? {
                Step::End => break,
                Step::Record(seal)
                    if body_number(&records.body) == Some(head.last + 1)
                        && head.chain_with(seal.epoch, &records.body) == seal.chain =>
                {
                    head.follow(&seal);
                }
                Step::Record(_) | Step::Damaged(_) => return Err(not_whole(&segment.path)),
            }
        }
        before = Some(head);
    }
    match before {
        Some(before) if meets(&before, behind) => Ok(()),
        _ => Err(AuditError::NotRetired(
            "the records do not lead to those behind them".to_owned(),
        )),
    }
}

fn meets(before: &Head, header: &Header) -> bool {
    let begins = Head::before(header);
    (before.last, before.chain, &before.tree) == (begins.last, begins.chain, &begins.tree)
}

fn not_whole(path: &Path) -> AuditError {
    AuditError::NotRetired(format!(
        "{} is not as it was written; `aasm audit verify` says where",
        path.display()
    ))
}
