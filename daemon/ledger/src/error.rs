//! What can fail with the ledger.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{ReservationId, Use};

/// What failed. Cloneable, because one failed write fails everybody who waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// An operation on a file or the directory.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// `open`, `write`, `sync`, ...
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// An operation of the database.
    #[error("cannot {operation} the ledger's database in {}", directory.display())]
    Database {
        /// `open`, `read`, `write`, `sync`.
        operation: &'static str,
        /// Where it is.
        directory: PathBuf,
        /// What the database said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The database can be read, and is not what was written.
    #[error("the ledger in {} is damaged: {what}", directory.display())]
    Damaged {
        /// Where it is.
        directory: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// An entry that does not turn to JSON.
    #[error("an entry of the ledger cannot be written as JSON")]
    Encode,
    /// The account has no such open reservation.
    #[error("reservation {0} is not open in this account")]
    NotOpen(ReservationId),
}

impl LedgerError {
    pub(crate) fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            operation,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn damaged(directory: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            directory: directory.to_owned(),
            what: what.into(),
        }
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
