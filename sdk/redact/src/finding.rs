//! What was found, without what it was.

use crate::detector::{Class, Confidence, Risk};

/// Why something is hidden although nobody knows what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A verifier panicked on it.
    VerifierPanic,
    /// Looking at it would take more work than its length allows.
    WorkLimit,
    /// It ended before its encoding did, or is not of its encoding.
    Undecodable,
    /// Decoded, it would be larger than allowed, or than what its encoding makes of ordinary data.
    DecodeLimit,
    /// An encoding this engine does not know, or too many on top of each other.
    UnknownEncoding,
}

impl Reason {
    /// As findings write it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::VerifierPanic => "verifier-panic",
            Self::WorkLimit => "work-limit",
            Self::Undecodable => "undecodable",
            Self::DecodeLimit => "decode-limit",
            Self::UnknownEncoding => "unknown-encoding",
        }
    }
}

/// Where something was found and what it is. It never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Bytes of the raw input before it.
    pub start: u64,
    /// Bytes of the raw input up to its end.
    pub end: u64,
    /// The detector's name, or `withheld` when there is a reason.
    pub kind: &'static str,
    /// What sort of thing it is.
    pub class: Class,
    /// How sure that is.
    pub confidence: Confidence,
    /// What a leak of it costs.
    pub risk: Risk,
    /// A value its provider prints in documentation: told, and left in the output.
    pub example: bool,
    /// Why it is hidden, when it is not for what it is.
    pub reason: Option<Reason>,
}

impl Finding {
    /// Of something that was hidden unseen.
    pub(crate) fn withheld(start: u64, end: u64, reason: Reason) -> Self {
        Self {
            start,
            end,
            kind: WITHHELD,
            class: Class::Secret,
            confidence: Confidence::Low,
            risk: Risk::High,
            example: false,
            reason: Some(reason),
        }
    }
}

/// What findings and replacements call something that is hidden for a [`Reason`].
pub(crate) const WITHHELD: &str = "withheld";
/// What stands in its place.
pub(crate) const WITHHELD_LABEL: &[u8] = b"[REDACTED:withheld]";
