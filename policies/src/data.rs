//! Classes of data, those of `aa-redact` by name, and what a policy says of each.

use crate::glob::wildcard;
use crate::policy::Policy;
use crate::rule::{Pattern, Rule, Section};
use crate::verdict::Decision;

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

/// What begins the name of a finding that is a secret of the vault, and of what policies call it.
pub(crate) const VAULT: &str = "vault/";

impl Policy {
    /// Whether some data are not sent inside TLS.
    pub fn withholds(&self) -> bool {
        let of_data = |rule: &Rule| matches!(rule.pattern, Pattern::Data(_) | Pattern::Vault(_));
        self.rules.iter().any(of_data)
    }

    /// The decision on a secret of the vault, `vault/NAME`, by the rules that name some; wherever it is sent.
    pub fn vaulted(&self, name: &str) -> Option<Decision> {
        let name = name.strip_prefix(VAULT)?;
        let names = |rule: &&Rule| matches!(&rule.pattern, Pattern::Vault(pattern) if wildcard(pattern.as_bytes(), name.as_bytes()));
        self.rules.iter().find(names).map(Rule::decision)
    }

    /// The classes of data that are not sent inside TLS, and the decision that cites the rule of each: those of `data.block`, then those of
    /// `data.redact`, since nothing replaces what is found there on its way.
    pub fn withheld(&self) -> impl Iterator<Item = (&'static str, Decision)> {
        self.rules.iter().filter_map(|rule| match rule.pattern {
            Pattern::Data(class) => Some((class, rule.decision())),
            _ => None,
        })
    }

    /// The classes that a section names, [`Section::Block`] or [`Section::Redact`], in the order of the file.
    pub fn classes(&self, section: Section) -> impl Iterator<Item = &'static str> {
        self.rules.iter().filter_map(move |rule| match rule.pattern {
            Pattern::Data(class) if rule.section == section => Some(class),
            _ => None,
        })
    }
}
