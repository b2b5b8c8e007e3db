//! What can fail with a store.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What failed. Cloneable, because one failed write fails everybody who waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
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
    #[error("cannot {operation} the database in {}", directory.display())]
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
    #[error("the database in {} is damaged: {what}", directory.display())]
    Damaged {
        /// Where it is.
        directory: PathBuf,
        /// What does not fit.
        what: String,
    },
}

impl StoreError {
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
}
