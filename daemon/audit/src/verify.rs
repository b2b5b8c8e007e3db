//! Checking a whole log, streaming: every record's chain and seal, every number, every seam between segments, every
//! checkpoint.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use aa_wire::api::{AuditKey, Reply};

use crate::checkpoints::{self, Notes, public_key};
use crate::format::{self, Begin, Damage, Head, Header, Records, Seal, Step};
use crate::note::{Checkpoint, PublicKey, hex};
use crate::retention::{Tombstone, remaining, tombstones};
use crate::segment::{self, Segment};
use crate::{AuditError, WitnessKey, merkle};

mod tags;
mod witness;
use tags::Tags;
use witness::Witness;

/// Findings that are kept; the rest is only counted.
const FINDINGS_KEPT: usize = 1000;

/// What a log is held against besides itself.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// The log is being written: an unfinished record at its very end is the writer's.
    pub live: bool,
    /// Checkpoints that were kept elsewhere, and what to call them.
    pub checkpoints: Vec<(PathBuf, Checkpoint)>,
    /// Who must have signed all checkpoints; without it, who lies beside the log.
    pub public_key: Option<PublicKey>,
    /// Who must have signed one of the checkpoints that were kept elsewhere.
    pub witness: Option<WitnessKey>,
    /// What the records from one on must be sealed with.
    pub hmac_key: Option<AuditKey>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments read.
    pub segments: u64,
    /// Records read.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The last record's number; 0 if there is none.
    pub last: u64,
    /// Checkpoints whose signature and tree were right.
    pub checkpoints: u64,
    /// The last record such a checkpoint is about.
    pub signed: u64,
    /// Records whose seal was checked with a key.
    pub sealed: u64,
    /// The last record that retention removed; 0 if it did none.
    pub removed: u64,
    /// The last record that the witness has signed, and when, seconds since 1970.
    pub witnessed: Option<(u64, u64)>,
    /// Root of the tree over all records, hexadecimal.
    pub root: String,
    /// What is wrong, in the order of the log; at most a thousand.
    pub findings: Vec<Finding>,
    /// How many things are wrong.
    pub found: u64,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.found == 0
    }

    /// As clients are told.
    pub fn reply(&self) -> Reply {
        Reply::Verified {
            intact: self.is_intact(),
            records: self.records,
            bytes: self.bytes,
            last: self.last,
            removed: self.removed,
            checkpoints: self.checkpoints,
            signed: self.signed,
            findings: self.findings.iter().map(ToString::to_string).collect(),
        }
    }

    fn find(&mut self, file: &Path, offset: u64, record: Option<u64>, what: impl Into<String>) {
        self.found += 1;
        if self.findings.len() < FINDINGS_KEPT {
            self.findings.push(Finding {
                file: file.to_owned(),
                offset,
                record,
                what: what.into(),
            });
        }
    }
}

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub file: PathBuf,
    /// At which byte.
    pub offset: u64,
    /// At which record, if the place is one.
    pub record: Option<u64>,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte {}", self.file.display(), self.offset)?;
        if let Some(record) = self.record {
            write!(f, " (record {record})")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Checks a log.
///
/// # Errors
/// What cannot be read, is not a log of this format, or is not a key. What is wrong with a log is in the report.
pub fn verify(directory: &Path, checks: &Checks) -> Result<Report, AuditError> {
    let mut report = Report::default();
    // Before the segments: what is signed by now is in them.
    let witnesses = witnesses(directory, checks, &mut report)?;
    let listing = segment::list(directory)?;
    for path in listing.set_aside {
        if !path.to_string_lossy().contains(".log.torn-") {
            report.find(
                &path,
                0,
                None,
                "a repair set aside bytes here that were no unfinished record",
            );
        }
    }
    let stones = stones(directory, checks, &mut report)?;
    let mut check = Check {
        stones,
        report,
        head: Head::default(),
        previous: Vec::new(),
        seam_known: true,
        tree_known: true,
        epoch_known: false,
        witnesses,
        tags: checks.hmac_key.as_ref().map(Tags::new).transpose()?,
    };
    let segments = remaining(listing.segments, &check.stones)?;
    let newest = segments.len().saturating_sub(1);
    for (index, segment) in segments.iter().enumerate() {
        let failed = |error| AuditError::file("read", &segment.path, error);
        let file = File::open(&segment.path).map_err(failed)?;
        let live = checks.live && index == newest;
        check.segment(segment, file, live).map_err(failed)?;
    }
    Ok(check.finish(directory, checks))
}

fn witnesses(directory: &Path, checks: &Checks, report: &mut Report) -> Result<Vec<Witness>, AuditError> {
    let beside = public_key(directory)?;
    let key = checks.public_key.clone().or_else(|| beside.clone());
    let path = directory.join("checkpoints.pub");
    if key != beside && checks.public_key.is_some() {
        report.find(&path, 0, None, "the key beside the log is not the one that was given");
    }
    let mut witnesses = Vec::new();
    if let Some(notes) = Notes::open(directory)? {
        if key.is_none() {
            report.find(&path, 0, None, "there is no key to check the checkpoints with");
        }
        witnesses.push(Witness::of_file(
            checkpoints::path(directory),
            notes,
            key.clone(),
            checks.live,
        ));
    }
    let held = checks.checkpoints.iter().cloned();
    witnesses
        .extend(held.map(|(path, checkpoint)| Witness::held(path, checkpoint, key.clone(), checks.witness.clone())));
    for witness in &mut witnesses {
        witness.advance(report);
    }
    Ok(witnesses)
}

/// What stands in the place of what was removed, signed by who signs checkpoints.
fn stones(directory: &Path, checks: &Checks, report: &mut Report) -> Result<Vec<Tombstone>, AuditError> {
    let key = checks.public_key.clone().or(public_key(directory)?);
    let path = directory.join("tombstones");
    let mut stones = Vec::new();
    for stone in tombstones(directory)? {
        match stone {
            Ok(stone) if key.as_ref().is_some_and(|key| stone.is_signed_by(key)) => stones.push(stone),
            Ok(_) => report.find(&path, 0, None, "the tombstone is not signed by the log's key"),
            // It is being written, or was when somebody died.
            Err(_) if checks.live => {}
            Err(offset) => report.find(&path, offset, None, "this is no tombstone"),
        }
    }
    Ok(stones)
}

struct Check {
    /// Of what was removed.
    stones: Vec<Tombstone>,
    report: Report,
    head: Head,
    /// The body of the record before.
    previous: Vec<u8>,
    /// The end of what was read before is the end of what stood there.
    seam_known: bool,
    /// The tree is that of all records so far.
    tree_known: bool,
    epoch_known: bool,
    witnesses: Vec<Witness>,
    tags: Option<Tags>,
}

impl Check {
    fn segment(&mut self, segment: &Segment, file: File, live: bool) -> io::Result<()> {
        self.report.segments += 1;
        let (begin, mut records) = Records::begin(BufReader::with_capacity(1 << 20, file))?;
        let path = &segment.path;
        let header = match begin {
            Begin::Header(header) => header,
            Begin::Incomplete if live => return Ok(()),
            Begin::Incomplete | Begin::Damaged => {
                self.report.find(path, 0, None, "the segment's header is damaged");
                self.seam_known = false;
                return Ok(());
            }
        };
        if header.first != segment.first {
            let what = format!(
                "the segment begins with record {}, its name says otherwise",
                header.first
            );
            self.report.find(path, 16, None, what);
        }
        self.seam(path, &header);
        loop {
            let offset = records.offset;
            match records.step()? {
                Step::End => break,
                Step::Record(seal) => self.record(path, offset, &mut records.body, &seal),
                Step::Damaged(Damage::Incomplete) if live => break,
                Step::Damaged(damage) => {
                    let what = match damage {
                        Damage::Incomplete => "the segment ends within a record",
                        Damage::Length => "the record's length cannot be; the rest of the segment is unreadable",
                        Damage::Checksum => "the record's bytes were changed; the rest of the segment is not trusted",
                    };
                    self.report.find(path, offset, Some(self.head.last + 1), what);
                    self.seam_known = false;
                    break;
                }
            }
        }
        self.report.bytes += records.offset;
        Ok(())
    }

    fn seam(&mut self, path: &Path, header: &Header) {
        let before = &self.head;
        let begins = Head::before(header);
        let whole = self.seam_known && begins.last == before.last;
        let removed = self.report.segments == 1 && self.stones.iter().any(|stone| stone.is_before(header));
        if removed {
            self.report.removed = begins.last;
            self.tags.iter_mut().for_each(Tags::resume);
        } else if self.seam_known && !whole {
            let what = match begins.last.checked_sub(before.last) {
                Some(missing) => missing_records(missing, before.last + 1, "this segment"),
                None => "the segment repeats record numbers".to_owned(),
            };
            self.report.find(path, 16, Some(header.first), what);
        } else if whole && begins.chain != before.chain {
            let what = "the segment does not continue the one before it";
            self.report.find(path, 24, Some(header.first), what);
        } else if whole && self.tree_known && begins.tree != before.tree {
            let what = "the segment's tree is not that of the records before it";
            self.report.find(path, 56, Some(header.first), what);
        }
        self.epoch_known &= whole;
        let epoch = before.epoch;
        self.head = Head { epoch, ..begins };
        (self.seam_known, self.tree_known) = (true, true);
        if removed {
            // One may be about just what is gone.
            for witness in &mut self.witnesses {
                witness.reach(&self.head.tree, &mut self.report);
            }
        }
    }

    fn record(&mut self, path: &Path, offset: u64, body: &mut Vec<u8>, seal: &Seal) {
        self.report.records += 1;
        let expected = self.head.last.saturating_add(1);
        let number = format::body_number(body);
        let here = number.unwrap_or(expected);
        if here != expected {
            let what = match here.checked_sub(expected) {
                Some(missing) => missing_records(missing, expected, "this one"),
                None => "the record stands in the wrong place".to_owned(),
            };
            self.report.find(path, offset, number, what);
            (self.tree_known, self.epoch_known) = (false, false);
        } else if number.is_none() {
            self.report
                .find(path, offset, Some(expected), "the record has no number");
        } else if self.head.chain_with(seal.epoch, body) != seal.chain {
            let what = "the record does not continue the chain: it was edited";
            self.report.find(path, offset, Some(expected), what);
        }
        if let Some(what) = self.epoch_finding(seal.epoch) {
            self.report.find(path, offset, Some(here), what);
        }
        if let Some(tags) = &mut self.tags {
            tags.check(path, offset, here, seal, &mut self.report);
        }
        // Go on from what stands there, so that one edit is one finding.
        self.head.follow(seal);
        self.head.last = here;
        self.epoch_known = true;
        std::mem::swap(&mut self.previous, body);
        if self.tree_known {
            for witness in &mut self.witnesses {
                witness.reach(&self.head.tree, &mut self.report);
            }
        }
    }

    /// An epoch goes over to the next by a record that says so: who has only a later key cannot make that record.
    fn epoch_finding(&self, epoch: u32) -> Option<String> {
        let before = self.head.epoch;
        let goes_on = !self.epoch_known
            || epoch == before
            || (epoch.checked_sub(before) == Some(1) && format::body_end(&self.previous).is_some());
        (!goes_on)
            .then(|| format!("epoch {before} is not ended by the record before this one, which is of epoch {epoch}"))
    }

    fn finish(mut self, directory: &Path, checks: &Checks) -> Report {
        let last = self.head.last;
        for witness in &mut self.witnesses {
            witness.end(&self.head.tree, self.tree_known && self.seam_known, &mut self.report);
        }
        if let Some(key) = &checks.hmac_key
            && key.from > last + 1
        {
            let what = format!(
                "the log is cut: it ends with record {last}, and the key is for those from {} on",
                key.from
            );
            self.report.find(directory, 0, None, what);
        }
        if let Some(stone) = self.stones.iter().find(|stone| stone.through > last) {
            let what = format!(
                "the log is cut: {} records were removed of it, and it ends with record {last}",
                stone.through
            );
            self.report.find(directory, 0, None, what);
        }
        if let Some(witness) = checks.witness.as_ref().filter(|_| self.report.witnessed.is_none()) {
            let what = format!(
                "no checkpoint that was given is about these records and signed by {}",
                witness.name()
            );
            self.report.find(directory, 0, None, what);
        }
        if checks.public_key.is_some() && self.report.checkpoints == 0 && last > 0 {
            self.report
                .find(directory, 0, None, "no checkpoint is signed by the key that was given");
        }
        self.report.root = hex(&self.head.tree.root());
        self.report.last = last;
        self.report
    }
}

fn missing_records(missing: u64, from: u64, what: &str) -> String {
    format!("{missing} records before {what} are missing, from {from} on")
}

/// Whether a record with this seal is the one of that number in the tree of a checkpoint.
pub(crate) fn is_included(seal: &Seal, number: u64, path: &[merkle::Hash], checkpoint: &Checkpoint) -> bool {
    let index = number.checked_sub(1);
    index.is_some_and(|index| merkle::includes(seal.leaf(), index, checkpoint.size, path, &checkpoint.root))
}
