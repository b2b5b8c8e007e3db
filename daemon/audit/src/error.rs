//! What can fail with the log.

use std::io;
use std::path::{Path, PathBuf};

/// What failed. Cloneable, because one failed write fails every record of its batch.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// An operation on a file or the directory.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// `open`, `write`, `sync`, ...
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// Another process writes to the log.
    #[error("another process writes to the audit log in {}", .0.display())]
    InUse(PathBuf),
    /// A record's body exceeds the format's bound.
    #[error("a record of {bytes} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Of the body.
        bytes: usize,
        /// Of the format.
        limit: usize,
    },
    /// An event that does not turn to JSON.
    #[error("an event cannot be written as JSON")]
    Encode,
    /// A file that should hold a key, and does not. It is not replaced, as nobody could check then what it sealed.
    #[error("{} holds no key; bring it back, or move it away for a new one", .0.display())]
    Key(PathBuf),
    /// What was given as a key is none.
    #[error("this is no key of an audit log")]
    NotAKey,
    /// What was asked to be proven cannot be.
    #[error("there is no proof: {0}")]
    NoProof(String),
    /// What is old is not whole, so it stays.
    #[error("old records are not removed: {0}")]
    NotRetired(String),
    /// The kernel gives no random bytes.
    #[error("there is no randomness for a key")]
    Randomness,
    /// The queue to the writer is full.
    #[error("the audit log's queue is full")]
    Busy,
    /// An earlier failure left the file in an unknown state; only a restart reads it again.
    #[error("the audit log stopped after: {0}")]
    Stopped(String),
    /// The writer has ended.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    pub(crate) fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            operation,
            path: path.to_owned(),
            source: std::sync::Arc::new(source),
        }
    }
}
