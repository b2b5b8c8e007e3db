//! The seals, checked by who was given a key.

use std::path::Path;

use aa_wire::api::AuditKey;

use super::Report;
use crate::AuditError;
use crate::format::Seal;
use crate::keys::EpochKey;

/// More than ten minutes each are in 30 years.
const EPOCHS_REMOVED: u32 = 1 << 21;

pub(super) struct Tags {
    /// Of the epoch that was read last; `None` once it cannot be told.
    key: Option<EpochKey>,
    from: u64,
    /// What is before the next record was removed.
    resumes: bool,
}

impl Tags {
    pub(super) fn new(handed: &AuditKey) -> Result<Self, AuditError> {
        let key = EpochKey::from_handed(handed).ok_or(AuditError::NotAKey)?;
        Ok(Self {
            key: Some(key),
            from: handed.from,
            resumes: false,
        })
    }

    /// Epochs before the next record may be missing: what had them was removed.
    pub(super) fn resume(&mut self) {
        self.resumes = true;
    }

    pub(super) fn check(&mut self, path: &Path, offset: u64, number: u64, seal: &Seal, report: &mut Report) {
        let Some(key) = self.key.as_mut().filter(|_| number >= self.from) else {
            return;
        };
        if std::mem::take(&mut self.resumes) {
            let missing = seal.epoch.saturating_sub(key.epoch()).min(EPOCHS_REMOVED);
            (0..missing).for_each(|_| *key = key.next());
        }
        match seal.epoch.checked_sub(key.epoch()) {
            Some(0) => {}
            // The first record under the key that was given is of its epoch.
            Some(1) if number > self.from => *key = key.next(),
            Some(_) => {
                let what = format!("epochs from {} on are missing; no seal behind is checked", key.epoch());
                report.find(path, offset, Some(number), what);
                self.key = None;
                return;
            }
            None => {
                let what = format!(
                    "the record is of epoch {}, and those before are of later ones",
                    seal.epoch
                );
                report.find(path, offset, Some(number), what);
                return;
            }
        }
        report.sealed += 1;
        if key.tag(&seal.chain) != seal.tag {
            report.find(
                path,
                offset,
                Some(number),
                "the record's seal is wrong: it was not made with the log's key",
            );
        }
    }
}
