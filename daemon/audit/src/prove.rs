//! Showing one record, and proving without the log that it is in it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use aa_wire::Event;
use serde::{Deserialize, Serialize};

use crate::AuditError;
use crate::format::{self, Begin, Head, Records, Seal, Step};
use crate::merkle::{self, Hash, Trace};
use crate::note::{Checkpoint, PublicKey, hex, unhex};
use crate::segment;
use crate::verify::is_included;

/// A record and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// In which file.
    pub segment: PathBuf,
    /// At which byte.
    pub offset: u64,
    /// Whose key sealed it.
    pub epoch: u32,
    /// Of the record before, hexadecimal like all hashes here.
    pub previous: String,
    /// SHA-256 over that, the epoch and the event as it stands in the file.
    pub chain: String,
    /// HMAC-SHA-256 of the chain.
    pub tag: String,
    /// Of the tree.
    pub leaf: String,
}

/// What shows that a record is in a log, or that a log only grew, to who has the log's public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Proof {
    /// A record is in the log.
    Inclusion {
        /// The record's body as it stands in the file.
        event: String,
        /// Whose key sealed it.
        epoch: u32,
        /// The chain before it.
        previous: String,
        /// Its seal.
        tag: String,
        /// From its leaf to the root.
        path: Vec<String>,
        /// A signed note about that root.
        checkpoint: String,
    },
    /// A log begins with the records another checkpoint is about.
    Consistency {
        /// The earlier note.
        from: String,
        /// From its end to the root.
        path: Vec<String>,
        /// The later note.
        checkpoint: String,
    },
}

impl Proof {
    /// What it proves, in words; `Err` says why it does not. For an inclusion also the event.
    pub fn check(&self, key: &PublicKey) -> Result<(String, Option<Event>), &'static str> {
        let (Self::Inclusion { path, checkpoint, .. } | Self::Consistency { path, checkpoint, .. }) = self;
        let signed = |note: &str| {
            let checkpoint = Checkpoint::parse(note).ok_or("its checkpoint is none")?;
            let right = checkpoint.is_signed_by(key);
            right
                .then_some(checkpoint)
                .ok_or("its checkpoint is not signed by this key")
        };
        let checkpoint = signed(checkpoint)?;
        let path = path.iter().map(|hash| unhex(hash)).collect::<Option<Vec<Hash>>>();
        let path = path.ok_or("its path holds something that is no hash")?;
        match self {
            Self::Inclusion {
                event,
                epoch,
                previous,
                tag,
                ..
            } => {
                let body = event.as_bytes();
                let not_hashes = "its hashes are none";
                let chain = format::next_chain(&unhex(previous).ok_or(not_hashes)?, *epoch, body);
                let seal = Seal {
                    epoch: *epoch,
                    chain,
                    tag: unhex(tag).ok_or(not_hashes)?,
                };
                let number = format::body_number(body).ok_or("its event has no number")?;
                if !is_included(&seal, number, &path, &checkpoint) {
                    return Err("its path does not lead from the event to the signed root");
                }
                let event = serde_json::from_str(event).map_err(|_| "its event cannot be read")?;
                let what = format!(
                    "record {number} is among the {} records of {}",
                    checkpoint.size, checkpoint.origin
                );
                Ok((what, Some(event)))
            }
            Self::Consistency { from, .. } => {
                let from = signed(from)?;
                let (old, new) = ((from.size, &from.root), (checkpoint.size, &checkpoint.root));
                if !merkle::extends(old, new, &path) {
                    return Err("its path does not lead from one signed root to the other");
                }
                let what = format!(
                    "the {} records of {} begin with the {} of the earlier checkpoint",
                    checkpoint.size, checkpoint.origin, from.size
                );
                Ok((what, None))
            }
        }
    }
}

/// One record; `None` if the log has none of this number.
pub fn find(directory: &Path, number: u64) -> Result<Option<Entry>, AuditError> {
    let mut found = None;
    walk(directory, number, |at, head, body, seal| {
        if head.last + 1 < number {
            return true;
        }
        found = serde_json::from_slice(body).ok().map(|event| Entry {
            event,
            segment: at.0.to_owned(),
            offset: at.1,
            epoch: seal.epoch,
            previous: hex(&head.chain),
            chain: hex(&seal.chain),
            tag: hex(&seal.tag),
            leaf: hex(&seal.leaf()),
        });
        false
    })?;
    Ok(found)
}

/// Proves that a record is in the log a checkpoint is about.
pub fn prove(directory: &Path, number: u64, checkpoint: &Checkpoint) -> Result<Proof, AuditError> {
    let refused = |why: String| AuditError::NoProof(why);
    if number == 0 || number > checkpoint.size {
        return Err(refused(format!(
            "the checkpoint is about records 1 to {}",
            checkpoint.size
        )));
    }
    let (mut trace, mut record) = (None, None);
    walk(directory, number, |_, head, body, seal| {
        if head.last + 1 == number {
            trace = Some(Trace::of_next_leaf(head.tree.clone()));
            let event = String::from_utf8_lossy(body).into_owned();
            record = Some((event, seal.epoch, hex(&head.chain), hex(&seal.tag)));
        }
        if let Some(trace) = &mut trace {
            trace.push(seal.leaf());
        }
        head.last + 1 < checkpoint.size
    })?;
    let path = finished(trace.as_ref(), checkpoint).map_err(refused)?;
    let (event, epoch, previous, tag) = record.ok_or_else(|| refused("there is no such record".to_owned()))?;
    Ok(Proof::Inclusion {
        event,
        epoch,
        previous,
        tag,
        path,
        checkpoint: checkpoint.note.clone(),
    })
}

/// Proves that the log of a checkpoint begins with all records of an earlier one.
pub fn prove_growth(directory: &Path, from: &Checkpoint, to: &Checkpoint) -> Result<Proof, AuditError> {
    let refused = |why: String| AuditError::NoProof(why);
    if from.size == 0 || from.size > to.size {
        let why = format!("a log of {} records does not grow to one of {}", from.size, to.size);
        return Err(refused(why));
    }
    let mut trace: Option<Trace> = None;
    walk(directory, from.size, |_, head, _, seal| {
        match &mut trace {
            Some(trace) => trace.push(seal.leaf()),
            None if head.last + 1 == from.size => {
                let mut tree = head.tree.clone();
                tree.push(seal.leaf());
                trace = Some(Trace::of_end(tree));
            }
            None => {}
        }
        head.last + 1 < to.size
    })?;
    let mut path = finished(trace.as_ref(), to).map_err(refused)?;
    if from.size == to.size {
        path.clear();
    }
    Ok(Proof::Consistency {
        from: from.note.clone(),
        path,
        checkpoint: to.note.clone(),
    })
}

fn finished(trace: Option<&Trace>, checkpoint: &Checkpoint) -> Result<Vec<String>, String> {
    let trace = trace.ok_or("the log does not hold that record; `aasm audit verify` says what is wrong with it")?;
    if trace.tree().size() != checkpoint.size || trace.tree().root() != checkpoint.root {
        return Err("the log does not hold the records of its checkpoint; `aasm audit verify` says where".to_owned());
    }
    Ok(trace.path().iter().map(|hash| hex(hash)).collect())
}

/// Goes from the beginning of the segment that should hold a record on, as long as it is told to. The head is that before
/// each record. Ends where a segment is damaged or does not go on.
fn walk(
    directory: &Path,
    number: u64,
    mut step: impl FnMut((&Path, u64), &Head, &[u8], &Seal) -> bool,
) -> Result<(), AuditError> {
    let mut segments = segment::list(directory)?.segments;
    let first = segments
        .partition_point(|segment| segment.first <= number)
        .saturating_sub(1);
    let mut expected = None;
    for segment in segments.drain(first.min(segments.len())..) {
        let failed = |error| AuditError::file("read", &segment.path, error);
        let file = File::open(&segment.path).map_err(failed)?;
        let (begin, mut records) = Records::begin(BufReader::with_capacity(1 << 20, file)).map_err(failed)?;
        let Begin::Header(header) = begin else { return Ok(()) };
        let mut head = Head::before(&header);
        if expected.is_some_and(|expected| expected != head.last) {
            return Ok(());
        }
        loop {
            let offset = records.offset;
            let Step::Record(seal) = records.step().map_err(failed)? else {
                break;
            };
            if !step((&segment.path, offset), &head, &records.body, &seal) {
                return Ok(());
            }
            head.follow(&seal);
        }
        expected = Some(head.last);
    }
    Ok(())
}
