//! What a policy hides of the data on its way out: classes of `aa-redact`, by name.

use crate::lower::LowerError;
use crate::policy::{OnGap, Policy};

/// The classes, in the order the documentation has them. The crate `aasm`, which knows both sides, tests that the redactor has the same.
pub const DATA_CLASSES: [&str; 10] = [
    "secret",
    "private-key",
    "connection-string",
    "pii.email",
    "pii.phone",
    "pii.iban",
    "pii.card",
    "pii.national-id",
    "pii.ip",
    "pii.mac",
];

/// What [`LowerError::code`] says of what is not built.
const GAP: &str = "policy-gap";

impl Policy {
    /// What it asks for that is not built yet: it is not to be loaded unless it says `on_gap: degrade`.
    pub(crate) fn gap(&self) -> Option<LowerError> {
        let first = self.redact()?.first()?;
        Some(LowerError {
            code: GAP,
            message: match self.on_gap {
                OnGap::Refuse => {
                    "this policy is not loaded: `data.redact` does not change what agents send yet".to_owned()
                }
                OnGap::Degrade => "`data.redact` does not change what agents send yet".to_owned(),
            },
            reason: format!(
                "line {} asks for it; nothing reads what agents send in this version",
                first.line
            ),
            hint: match self.on_gap {
                OnGap::Refuse => "take it out, or write `on_gap: degrade` to load the rest of the policy".to_owned(),
                OnGap::Degrade => "it is what `aasm redact --policy FILE` hides in what is piped through it".to_owned(),
            },
        })
    }
}

/// A class of `data.redact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RedactedClass {
    /// One of [`DATA_CLASSES`].
    pub name: &'static str,
    /// Where the policy says so; lines count from 1.
    pub line: u32,
}
