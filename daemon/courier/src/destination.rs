//! Where a rule's records go, and what came of sending some.

use std::path::PathBuf;
use std::time::Duration;

use aa_audit::note::hex;
use aa_wire::Event;

use crate::address::Address;
use crate::http::{Answer, HttpError};
use crate::settings::{Paths, Rule};
use crate::tls::Trust;
use crate::{otlp, slack, syslog, webhook};

/// A record on its way: what leaves is redacted once more.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) event: Event,
    /// Begins as its record's chain, which no other record has.
    pub(crate) chain: [u8; 8],
}

impl Message {
    /// The same each time it is sent: who gets it twice can tell.
    pub(crate) fn id(&self) -> String {
        format!("aa_{}_{}", self.event.id, hex(&self.chain))
    }
}

/// How records get to where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Webhook { secrets: Vec<SecretSource> },
    Slack,
    Syslog { data_id: Option<String> },
    Otlp { authorization: Option<PathBuf> },
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    File(PathBuf),
    /// The vault's, by name: the gateway signs with it, and tells it nobody.
    Vault(String),
}

/// Where the address is: it may be a secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Written(Address),
    File(PathBuf),
}

/// Why records were not received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody was there, or not able to answer now: it says nothing about what was sent.
    Away { why: String, after: Option<Duration> },
    /// The receiver failed, perhaps over what was sent.
    Failed { why: String },
    /// It does not want this, however often it is sent.
    Refused { why: String },
}

impl Refusal {
    pub(crate) fn away(why: impl Into<String>) -> Self {
        Self::Away {
            why: why.into(),
            after: None,
        }
    }

    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Away { why, .. } | Self::Failed { why } | Self::Refused { why } => why,
        }
    }
}

impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        let cause = aa_wire::problem::chain(std::error::Error::source(&error));
        Self::away(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
    }
}

impl Destination {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack => "slack",
            Self::Syslog { .. } => "syslog",
            Self::Otlp { .. } => "otlp",
        }
    }

    /// Records that go out together.
    pub(crate) fn batch(&self) -> usize {
        match self {
            Self::Webhook { .. } => 1,
            Self::Slack => 10,
            Self::Syslog { .. } | Self::Otlp { .. } => 256,
        }
    }

    /// Between two of them: what a receiver takes at most.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            // Slack takes one a second.
            Self::Slack => Duration::from_millis(1100),
            _ => Duration::ZERO,
        }
    }
}

/// Sends records; how many of them the receiver did not take all the same.
pub(crate) fn deliver(rule: &Rule, paths: &Paths, messages: &[Message]) -> Result<u64, Refusal> {
    let address = rule.address().map_err(Refusal::away)?;
    let sending = Sending {
        address: &address,
        trust: &rule.trust,
        paths,
    };
    match &rule.destination {
        Destination::Webhook { secrets } => webhook::deliver(&sending, secrets, messages),
        Destination::Slack => slack::deliver(&sending, messages),
        Destination::Syslog { data_id } => syslog::deliver(&sending, data_id.as_deref(), messages),
        Destination::Otlp { authorization } => otlp::deliver(&sending, authorization.as_deref(), messages),
    }
}

/// What every way of sending needs.
pub(crate) struct Sending<'a> {
    pub(crate) address: &'a Address,
    pub(crate) trust: &'a Trust,
    pub(crate) paths: &'a Paths,
}

/// What an answer means to who sent.
pub(crate) fn judge(answer: &Answer) -> Result<(), Refusal> {
    let why = format!("it answered {}", answer.status);
    match answer.status {
        200..=299 => Ok(()),
        // These say nothing about what was sent: the address, the key or the receiver is what is wrong.
        300..=399 | 401 | 403..=405 | 407 | 408 | 410 | 425 | 429 | 502..=504 => Err(Refusal::Away {
            why,
            after: answer.retry_after,
        }),
        500..=599 => Err(Refusal::Failed { why }),
        _ => Err(Refusal::Refused { why }),
    }
}
