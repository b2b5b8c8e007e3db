//! What a policy hides of the data on its way out: classes of `aa-redact`, by name.

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

/// A class of `data.redact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RedactedClass {
    /// One of [`DATA_CLASSES`].
    pub name: &'static str,
    /// Where the policy says so; lines count from 1.
    pub line: u32,
}
