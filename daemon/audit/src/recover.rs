//! Opening a log: where it ends, and setting aside what cannot be read there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::AuditError;
use crate::format::{self, Chain, Damage, GENESIS, HEADER_BYTES, Records, Step};
use crate::segment::{self, Segment};

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The last record's number; 0 if there was none.
    pub last: u64,
    /// What was set aside.
    pub repairs: Vec<Repair>,
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
    pub(crate) last: u64,
    pub(crate) chain: Chain,
    /// The newest segment, if there is one.
    pub(crate) segment: Option<(PathBuf, u64)>,
    pub(crate) repairs: Vec<Repair>,
}

/// Finds the end, newest segment first; a segment without a valid header is set aside whole.
pub(crate) fn recover(directory: &Path) -> Result<Tail, AuditError> {
    let mut repairs = Vec::new();
    let mut segments = segment::list(directory)?.segments;
    while let Some(newest) = segments.pop() {
        let end = find_end(&newest).map_err(|error| AuditError::file("read", &newest.path, error))?;
        if let Some(torn) = end.unreadable {
            let offset = if end.usable { end.offset } else { 0 };
            repairs.extend(set_aside(directory, &newest, offset, torn)?);
        }
        if end.usable {
            let segment = Some((newest.path, end.offset));
            return Ok(Tail {
                last: end.last,
                chain: end.chain,
                segment,
                repairs,
            });
        }
    }
    Ok(Tail {
        last: 0,
        chain: GENESIS,
        segment: None,
        repairs,
    })
}

struct End {
    usable: bool,
    offset: u64,
    last: u64,
    chain: Chain,
    /// What is behind `offset`: `Some(true)` torn, `Some(false)` damaged.
    unreadable: Option<bool>,
}

fn find_end(segment: &Segment) -> io::Result<End> {
    let file = File::open(&segment.path)?;
    let length = file.metadata()?.len();
    let (header, mut records) = Records::begin(BufReader::with_capacity(1 << 20, file))?;
    let Some(header) = header.filter(|header| header.first == segment.first) else {
        let torn = length < HEADER_BYTES as u64;
        return Ok(End {
            usable: false,
            offset: 0,
            last: 0,
            chain: GENESIS,
            unreadable: Some(torn),
        });
    };
    let mut end = End {
        usable: true,
        offset: records.offset,
        last: header.first.saturating_sub(1),
        chain: header.previous,
        unreadable: None,
    };
    loop {
        let stored_chain = match records.step()? {
            Step::Record { stored_chain } => stored_chain,
            Step::End => return Ok(end),
            Step::Damaged(damage) => {
                end.unreadable = Some(damage == Damage::Incomplete);
                return Ok(end);
            }
        };
        let chain = format::next_chain(&end.chain, &records.body);
        if chain != stored_chain || format::body_number(&records.body) != Some(end.last + 1) {
            end.unreadable = Some(false);
            return Ok(end);
        }
        end = End {
            offset: records.offset,
            last: end.last + 1,
            chain,
            ..end
        };
    }
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
