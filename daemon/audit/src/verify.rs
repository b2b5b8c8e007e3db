//! Checking a whole log, streaming: every record's chain, every number, every seam between segments.

use std::fmt::{self, Write};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::AuditError;
use crate::format::{self, Chain, Damage, GENESIS, Records, Step};
use crate::segment::{self, Segment};

/// Findings that are kept; the rest is only counted.
const FINDINGS_KEPT: usize = 1000;

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
    /// The chain of the last record, hexadecimal: who remembers it can tell later that nothing before it was cut.
    pub head: String,
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

/// Checks a log nobody writes.
pub fn verify(directory: &Path) -> Result<Report, AuditError> {
    run(directory, false)
}

/// Checks a log that is being written: an unfinished record at its very end is the writer's.
pub fn verify_live(directory: &Path) -> Result<Report, AuditError> {
    run(directory, true)
}

fn run(directory: &Path, live: bool) -> Result<Report, AuditError> {
    let listing = segment::list(directory)?;
    let mut check = Check {
        report: Report::default(),
        chain: GENESIS,
        expected: 1,
        seam_known: true,
    };
    for path in listing.set_aside {
        let torn = path.to_string_lossy().contains(".log.torn-");
        if !torn {
            check.find(
                &path,
                0,
                None,
                "a repair set aside bytes here that were no unfinished record".into(),
            );
        }
    }
    let newest = listing.segments.len().saturating_sub(1);
    for (index, segment) in listing.segments.iter().enumerate() {
        let failed = |error| AuditError::file("read", &segment.path, error);
        let file = File::open(&segment.path).map_err(failed)?;
        check.segment(segment, file, live && index == newest).map_err(failed)?;
    }
    check.report.head = check.chain.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    check.report.last = check.expected - 1;
    Ok(check.report)
}

struct Check {
    report: Report,
    chain: Chain,
    expected: u64,
    /// The end of what was read before is the end of what stood there.
    seam_known: bool,
}

impl Check {
    fn find(&mut self, file: &Path, offset: u64, record: Option<u64>, what: String) {
        self.report.found += 1;
        if self.report.findings.len() < FINDINGS_KEPT {
            self.report.findings.push(Finding {
                file: file.to_owned(),
                offset,
                record,
                what,
            });
        }
    }

    fn segment(&mut self, segment: &Segment, file: File, unfinished_is_fine: bool) -> std::io::Result<()> {
        self.report.segments += 1;
        let length = file.metadata()?.len();
        let (header, mut records) = Records::begin(BufReader::with_capacity(1 << 20, file))?;
        let path = &segment.path;
        let Some(header) = header else {
            if !(unfinished_is_fine && length < records.offset) {
                self.find(path, 0, None, "the segment's header is damaged".into());
                self.seam_known = false;
            }
            return Ok(());
        };
        if header.first != segment.first {
            self.find(
                path,
                8,
                None,
                format!(
                    "the segment begins with record {}, its name says otherwise",
                    header.first
                ),
            );
        }
        self.seam(path, header);
        loop {
            let offset = records.offset;
            match records.step()? {
                Step::End => break,
                Step::Record { stored_chain } => self.record(path, offset, &records.body, stored_chain),
                Step::Damaged(Damage::Incomplete) if unfinished_is_fine => break,
                Step::Damaged(damage) => {
                    let what = match damage {
                        Damage::Incomplete => "the segment ends within a record",
                        Damage::Length => "the record's length cannot be; the rest of the segment is unreadable",
                        Damage::Checksum => "the record's bytes were changed; the rest of the segment is not trusted",
                    };
                    self.find(path, offset, Some(self.expected), what.into());
                    self.seam_known = false;
                    break;
                }
            }
        }
        self.report.bytes += records.offset;
        Ok(())
    }

    fn seam(&mut self, path: &Path, header: format::Header) {
        if header.first != self.expected && self.seam_known {
            let what = match header.first.checked_sub(self.expected) {
                Some(missing) => format!(
                    "{missing} records before this segment are missing, from {} on",
                    self.expected
                ),
                None => "the segment repeats record numbers".to_owned(),
            };
            self.find(path, 8, Some(header.first), what);
        } else if header.previous != self.chain && self.seam_known {
            self.find(
                path,
                16,
                Some(header.first),
                "the segment does not continue the one before it".into(),
            );
        }
        self.expected = header.first;
        self.chain = header.previous;
        self.seam_known = true;
    }

    fn record(&mut self, path: &Path, offset: u64, body: &[u8], stored_chain: Chain) {
        self.report.records += 1;
        let number = format::body_number(body);
        if let Some(number) = number.filter(|number| *number != self.expected) {
            let what = match number.checked_sub(self.expected) {
                Some(missing) => format!(
                    "{missing} records before this one are missing, from {} on",
                    self.expected
                ),
                None => "the record stands in the wrong place".to_owned(),
            };
            self.find(path, offset, Some(number), what);
        } else if number.is_none() {
            self.find(path, offset, Some(self.expected), "the record has no number".into());
        } else if format::next_chain(&self.chain, body) != stored_chain {
            self.find(
                path,
                offset,
                Some(self.expected),
                "the record does not continue the chain: it was edited".into(),
            );
        }
        // Go on from what stands there, so that one edit is one finding.
        self.chain = stored_chain;
        self.expected = number.unwrap_or(self.expected).saturating_add(1);
    }
}
