//! Alerts on the control socket: what the courier tells the gateway, and is told. The courier sends records of the audit log out of the
//! machine by rules of the configuration; the gateway, which has no network, only keeps what it reports.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Bytes of one message that is signed with a secret of the vault.
pub const MESSAGE_LIMIT: usize = 512 << 10;

/// Bytes that the key of a webhook has at least, as Standard Webhooks wants it.
pub const LEAST_KEY: usize = 24;

/// What the courier tells: all it knows, every second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourierReport {
    /// Its version.
    pub version: String,
    /// How each rule stands.
    pub rules: Vec<AlertRow>,
    /// Tests that are over.
    #[serde(default)]
    pub tested: Vec<Tested>,
}

/// How a rule stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRow {
    /// As in the configuration.
    pub name: String,
    /// `webhook`, `slack`, `syslog`, `otlp`.
    pub kind: String,
    /// Where to: host and port. The rest of an address may be a secret.
    pub to: String,
    /// The last record that was looked at.
    pub after: u64,
    /// Records that were received.
    pub delivered: u64,
    /// Records that were given up.
    pub dead: u64,
    /// Records that were gone from the log before they were looked at.
    pub lost: u64,
    /// Why nothing goes out now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// The last of those that were given up.
    #[serde(default)]
    pub letters: Vec<DeadLetter>,
}

/// What keeps a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub why: String,
}

/// A record that was given up. It is in the audit log as long as that keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// Its number.
    pub record: u64,
    /// How many from there on, sent together.
    pub count: u64,
    /// When it was given up.
    pub time: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why.
    pub why: String,
}

/// A rule to be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestOrder {
    /// Of this test.
    pub ticket: u64,
    /// Which rule.
    pub name: String,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// Of which.
    pub ticket: u64,
    /// Why it failed; `None` if it was received.
    pub failed: Option<String>,
}

/// A message that is to be signed with a secret of the vault, which stays there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The secret.
    pub secret: String,
    /// Where the message goes.
    pub host: String,
    /// What is signed.
    pub message: String,
}
