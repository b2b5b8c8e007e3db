//! Opening a log: where it ends, and setting aside what cannot be read there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::AuditError;
use crate::format::{self, Begin, Damage, Head, Records, Step};
use crate::segment::{self, Segment};

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The last record's number; 0 if there was none.
    pub last: u64,
    /// The log was closed, or is new; else whoever wrote it died.
    pub closed: bool,
    /// What was set aside.
    pub repairs: Vec<Repair>,
    /// Keys that were not where they should be, in words.
    pub replaced_keys: Vec<String>,
}

/// Bytes that were set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The segment.
    pub segment: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Where they are now.
    pub set_aside: PathBuf,
    /// An unfinished record, as a crash leaves it; else there was something that is not a record of this log.
    pub torn: bool,
}

/// Where the log ends and goes on.
pub(crate) struct Tail {
    pub(crate) head: Head,
    /// How its last record ends an epoch, if it does.
    pub(crate) ending: Option<String>,
    /// The newest segment, if there is one.
    pub(crate) segment: Option<(PathBuf, u64)>,
    pub(crate) repairs: Vec<Repair>,
}

/// Finds the end, newest segment first; a segment without a valid header is set aside whole.
pub(crate) fn recover(directory: &Path) -> Result<Tail, AuditError> {
    let mut repairs = Vec::new();
    let mut segments = segment::list(directory)?.segments;
    while let Some(segment) = segments.pop() {
        let end = find_end(&segment).map_err(|error| AuditError::file("read", &segment.path, error))?;
        if let Some(torn) = end.unreadable {
            repairs.extend(set_aside(directory, &segment, end.offset, torn)?);
        }
        let Some(mut head) = end.head else { continue };
        // The epoch of a segment without a record is that of the one before.
        let mut last_body = end.last_body;
        if let (None, Some(before)) = (&last_body, segments.last()) {
            let before = find_end(before).map_err(|error| AuditError::file("read", &before.path, error))?;
            head.epoch = before.head.map_or(0, |head| head.epoch);
            last_body = before.last_body;
        }
        return Ok(Tail {
            head,
            ending: last_body.and_then(|body| format::body_end(&body)),
            segment: Some((segment.path, end.offset)),
            repairs,
        });
    }
    Ok(Tail {
        head: Head::default(),
        ending: None,
        segment: None,
        repairs,
    })
}

struct End {
    /// `None` for a segment that is none.
    head: Option<Head>,
    offset: u64,
    last_body: Option<Vec<u8>>,
    /// What is behind `offset`: `Some(true)` torn, `Some(false)` damaged.
    unreadable: Option<bool>,
}

fn find_end(segment: &Segment) -> io::Result<End> {
    let file = File::open(&segment.path)?;
    let (begin, mut records) = Records::begin(BufReader::with_capacity(1 << 20, file))?;
    let header = match begin {
        Begin::Header(header) if header.first == segment.first => header,
        other => {
            return Ok(End {
                head: None,
                offset: 0,
                last_body: None,
                unreadable: Some(matches!(other, Begin::Incomplete)),
            });
        }
    };
    let mut head = Head::before(&header);
    let (mut offset, mut last_body) = (records.offset, Vec::new());
    let unreadable = loop {
        let seal = match records.step()? {
            Step::Record(seal) => seal,
            Step::End => break None,
            Step::Damaged(damage) => break Some(damage == Damage::Incomplete),
        };
        let body = &mut records.body;
        let goes_on = head.chain_with(seal.epoch, body) == seal.chain;
        if !goes_on || format::body_number(body) != Some(head.last + 1) {
            break Some(false);
        }
        head.follow(&seal);
        std::mem::swap(&mut last_body, body);
        offset = records.offset;
    };
    Ok(End {
        head: Some(head),
        offset,
        last_body: Some(last_body).filter(|body| !body.is_empty()),
        unreadable,
    })
}

fn set_aside(directory: &Path, segment: &Segment, offset: u64, torn: bool) -> Result<Option<Repair>, AuditError> {
    let at = |operation| move |error| AuditError::file(operation, &segment.path, error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&segment.path)
        .map_err(at("open"))?;
    let bytes = file.metadata().map_err(at("read"))?.len().saturating_sub(offset);
    let target = free_name(&segment.path, offset, torn);
    if offset == 0 {
        fs::rename(&segment.path, &target).map_err(at("rename"))?;
    } else {
        file.seek(SeekFrom::Start(offset)).map_err(at("read"))?;
        let at_target = |operation| {
            let target = target.clone();
            move |error| AuditError::file(operation, &target, error)
        };
        let mut copy = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&target)
            .map_err(at_target("create"))?;
        io::copy(&mut file, &mut copy).map_err(at_target("write"))?;
        copy.sync_all().map_err(at_target("sync"))?;
        segment::sync_directory(directory).map_err(|error| AuditError::file("sync", directory, error))?;
        file.set_len(offset).map_err(at("truncate"))?;
        file.sync_all().map_err(at("sync"))?;
    }
    segment::sync_directory(directory).map_err(|error| AuditError::file("sync", directory, error))?;
    Ok(Some(Repair {
        segment: segment.path.clone(),
        offset,
        bytes,
        set_aside: target,
        torn,
    }))
}

fn free_name(segment: &Path, offset: u64, torn: bool) -> PathBuf {
    let what = if torn { "torn" } else { "damaged" };
    let base = segment.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = segment.with_file_name(format!("{base}.{what}-{offset}"));
    let mut name = plain.clone();
    for count in 2_u32.. {
        if !name.exists() {
            break;
        }
        name = PathBuf::from(format!("{}-{count}", plain.display()));
    }
    name
}
