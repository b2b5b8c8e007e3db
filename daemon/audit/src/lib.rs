//! The audit log: append-only segments of chained, sealed records, and signed checkpoints of the tree over them.
//!
//! A directory holds `audit-<number of the first record, 20 digits>.log`, each of at most 64 MiB (see [`format`] for the
//! bytes), `checkpoints` (see [`note`]) and `checkpoints.pub`, the key they are signed with. One thread, the writer, owns
//! the newest segment and the checkpoints; everybody else reads files. The secret keys lie elsewhere (see [`keys`]).
//!
//! | shows | what | to whom |
//! |---|---|---|
//! | chain | a changed, missing, moved or inserted record, with its place, unless all behind it was recomputed | everybody |
//! | tag | the same in what was sealed before the intruder came in | who holds a key of that time |
//! | checkpoint | the same, and that the end was cut off, against one that is held elsewhere | everybody |
//!
//! Nothing is ever destroyed in a repair: what cannot be read at the end of the newest segment is set aside under the
//! name of the segment followed by `.torn-<offset>` (an unfinished record, as a power cut leaves it) or
//! `.damaged-<offset>` (anything else), and the repair is recorded in the log.

pub mod base64;
mod checkpoints;
mod cosign;
mod error;
mod follow;
mod format;
mod keys;
pub mod merkle;
pub mod note;
mod prove;
mod recover;
mod retention;
mod scan;
mod segment;
mod verify;
pub mod webhook;
mod writer;

pub use checkpoints::{newest_checkpoint, public_key};
pub use cosign::{Shown, Witness, WitnessKey};
pub use error::AuditError;
pub use follow::{Followed, Follower, Place, REWIND};
pub use note::{Checkpoint, PublicKey};
pub use prove::{Entry, Proof, find, prove, prove_growth};
pub use recover::{Recovery, Repair};
pub use retention::Retired;
pub use scan::{Scan, last_matching, scan, scan_since};
pub use segment::is_being_written;
pub use verify::{Checks, Finding, Report, verify};
pub use writer::{AuditLog, Durability, EPOCH_INTERVAL, Options};

/// Bytes of a segment at which the next one begins.
pub const SEGMENT_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests;
