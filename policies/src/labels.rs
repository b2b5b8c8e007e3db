//! Labels: which a path puts on whoever reads it, and what is taken from those who carry one.

use crate::action::Action;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Labels of one policy, and of a machine: one bit each in a word of the kernel's.
pub const MAX_LABELS: usize = 32;
/// Bytes of a label's name.
pub(crate) const MAX_NAME: usize = 31;

/// What can be taken from who carries a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CarriedKind {
    /// Connections and messages to anybody but the agent's own unix sockets.
    #[serde(rename = "net")]
    Net,
    /// Running programs.
    #[serde(rename = "exec")]
    Exec,
    /// Changing files.
    #[serde(rename = "file.write")]
    Write,
}

impl CarriedKind {
    /// All of them, in the order of the kernel's `enum aa_label_kind`.
    pub const ALL: [Self; 3] = [Self::Net, Self::Exec, Self::Write];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Exec => "exec",
            Self::Write => "file.write",
        }
    }

    /// What an action is an instance of.
    pub(crate) fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Connect { .. }
            | Action::ConnectHost { .. }
            | Action::ConnectBound { .. }
            | Action::Lookup { .. }
            | Action::Unix { .. }
            | Action::Model { .. }
            | Action::Tool(_)
            | Action::Http(_) => Some(Self::Net),
            Action::Exec(_) => Some(Self::Exec),
            Action::Write { .. } | Action::ReadWrite { .. } | Action::Rename { .. } | Action::Link { .. } => {
                Some(Self::Write)
            }
            // Nobody is told anything by a local end; what is sent over it is judged when it is sent.
            Action::Bind { .. } | Action::Read { .. } | Action::Load { .. } | Action::Use { .. } => None,
            Action::Carrying { action, .. } => Self::of(action),
        }
    }
}

impl fmt::Display for CarriedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The bit of a label among a policy's own, which are sorted by name.
pub(crate) fn bit(labels: &[String], name: &str) -> u32 {
    let place = labels.iter().position(|label| label == name);
    place.map_or(0, |place| 1 << (place & 31))
}

/// The names behind bits, as text.
pub(crate) fn names(labels: &[String], bits: u32) -> Vec<&str> {
    // There are no more labels than bits, but in what somebody made who is not to be trusted.
    let carried = labels
        .iter()
        .zip(0..u32::BITS)
        .filter(|(_, place)| bits >> place & 1 == 1);
    carried.map(|(label, _)| label.as_str()).collect()
}

/// Whether a word can be a label.
pub(crate) fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= MAX_NAME
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
