//! What can fail with the ledger.

use std::error::Error;
use std::path::Path;

use aa_store::StoreError;

use crate::{ReservationId, Use};

/// What failed. Cloneable, because one failed write fails everybody who waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// What the store says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that does not turn to JSON.
    #[error("an entry of the ledger cannot be written as JSON")]
    Encode,
    /// The account has no such open reservation.
    #[error("reservation {0} is not open in this account")]
    NotOpen(ReservationId),
}

impl LedgerError {
    pub(crate) fn damaged(directory: &Path, what: impl Into<String>) -> Self {
        Self::Store(StoreError::Damaged {
            directory: directory.to_owned(),
            what: what.into(),
        })
    }

    /// With all causes, in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// Why nothing was reserved.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// A cap has no room for it.
    #[error("the cap has no room: {} spent, {} reserved", used.spent, used.reserved)]
    Full {
        /// The first such cap, by its place among those given.
        cap: usize,
        /// Of its unit in its span, without what was asked for.
        used: Use,
    },
    /// It could not be made durable.
    #[error("the ledger cannot reserve")]
    Failing(#[source] LedgerError),
}
