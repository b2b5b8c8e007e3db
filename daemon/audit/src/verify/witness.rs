//! Checkpoints, each held against the tree when it has the size they are about.

use std::io;
use std::path::PathBuf;

use super::Report;
use crate::WitnessKey;
use crate::checkpoints::{Note, Notes};
use crate::merkle::Tree;
use crate::note::{Checkpoint, PublicKey};

/// Checkpoints of one origin, in the order of their sizes.
pub(super) struct Witness {
    path: PathBuf,
    notes: Source,
    key: Option<PublicKey>,
    cosigner: Option<WitnessKey>,
    /// The last note may be one that is being written.
    live: bool,
    next: Option<(u64, Checkpoint)>,
    /// Of the checkpoint before.
    size: u64,
}

enum Source {
    File(Notes),
    Held(Option<Box<Checkpoint>>),
}

impl Source {
    fn next(&mut self) -> Option<io::Result<(u64, Note)>> {
        match self {
            Self::File(notes) => notes.next(),
            Self::Held(held) => held.take().map(|checkpoint| Ok((0, Note::Checkpoint(*checkpoint)))),
        }
    }
}

impl Witness {
    pub(super) fn of_file(path: PathBuf, notes: Notes, key: Option<PublicKey>, live: bool) -> Self {
        Self::new(path, Source::File(notes), key, live)
    }

    pub(super) fn held(
        path: PathBuf,
        checkpoint: Checkpoint,
        key: Option<PublicKey>,
        cosigner: Option<WitnessKey>,
    ) -> Self {
        let held = Self::new(path, Source::Held(Some(Box::new(checkpoint))), key, false);
        Self { cosigner, ..held }
    }

    fn new(path: PathBuf, notes: Source, key: Option<PublicKey>, live: bool) -> Self {
        Self {
            path,
            notes,
            key,
            cosigner: None,
            live,
            next: None,
            size: 0,
        }
    }

    /// Takes the next checkpoint that is one.
    pub(super) fn advance(&mut self, report: &mut Report) {
        self.next = None;
        while let Some(read) = self.notes.next() {
            let mut find = |offset, what: &str| report.find(&self.path, offset, None, what);
            match read {
                Ok((offset, Note::Checkpoint(checkpoint))) => {
                    let signed = self.key.as_ref().is_some_and(|key| checkpoint.is_signed_by(key));
                    if !signed {
                        find(offset, "the checkpoint is not signed by the log's key");
                    } else if checkpoint.size < self.size {
                        find(offset, "the checkpoint stands in the wrong place");
                    } else {
                        self.size = checkpoint.size;
                        self.next = Some((offset, checkpoint));
                        return;
                    }
                }
                Ok((_, Note::Unfinished)) if self.live => return,
                Ok((offset, Note::Malformed | Note::Unfinished)) => find(offset, "this is no checkpoint"),
                Err(error) => {
                    find(0, &format!("it cannot be read: {error}"));
                    return;
                }
            }
        }
    }

    /// The tree has grown by one record.
    pub(super) fn reach(&mut self, tree: &Tree, report: &mut Report) {
        while let Some((offset, checkpoint)) = self.next.take_if(|(_, next)| next.size <= tree.size()) {
            // A smaller one is about records that could not be read, which was told.
            if checkpoint.size == tree.size() {
                if checkpoint.root == tree.root() {
                    report.checkpoints += 1;
                    report.signed = report.signed.max(checkpoint.size);
                    let cosigned = self
                        .cosigner
                        .as_ref()
                        .and_then(|cosigner| cosigner.time_of(&checkpoint.note));
                    report.witnessed = report.witnessed.max(cosigned.map(|time| (checkpoint.size, time)));
                } else {
                    let what = "the records up to here are not those the checkpoint was made of";
                    report.find(&self.path, offset, Some(checkpoint.size), what);
                }
            }
            self.advance(report);
        }
    }

    /// There are no more records; `known`: and their number is known.
    pub(super) fn end(&mut self, tree: &Tree, known: bool, report: &mut Report) {
        self.reach(tree, report);
        if let Some((offset, checkpoint)) = self.next.take_if(|_| known) {
            let what = format!(
                "the log is cut: the checkpoint is about {} records, and there are {}",
                checkpoint.size,
                tree.size()
            );
            report.find(&self.path, offset, None, what);
        }
    }
}
