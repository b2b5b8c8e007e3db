//! The audit log: append-only segments of chained records.
//!
//! A directory holds `audit-<number of the first record, 20 digits>.log`, each of at most 64 MiB. See [`format`] for
//! the bytes. One thread, the writer, owns the newest segment; everybody else reads files.
//!
//! What the chain shows: a changed, missing, moved or inserted record, and a segment that is missing or cut, each with
//! its place. What it cannot show: that the newest records were cut off at a record's end, or that somebody with write
//! access recomputed everything behind an edit. Both need a remembered head ([`Report::head`]).
//!
//! Nothing is ever destroyed in a repair: what cannot be read at the end of the newest segment is set aside under the
//! name of the segment followed by `.torn-<offset>` (an unfinished record, as a power cut leaves it) or
//! `.damaged-<offset>` (anything else), and the repair is recorded in the log.

mod error;
mod format;
mod recover;
mod scan;
mod segment;
mod verify;
mod writer;

pub use error::AuditError;
pub use recover::{Recovery, Repair};
pub use scan::{Scan, last_matching, scan, scan_since};
pub use verify::{Finding, Report, verify, verify_live};
pub use writer::{AuditLog, Durability, Options};

/// Bytes of a segment at which the next one begins.
pub const SEGMENT_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests;
