//! Verdicts and the packed decision word the kernel tables hold.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a policy says about an action. The numeric order is the strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Verdict {
    /// No section of the policy speaks about this kind of action.
    #[default]
    Ungoverned = 0,
    /// The action passes.
    Allow = 1,
    /// The action is held until a person answers.
    Ask = 2,
    /// The action fails.
    Deny = 3,
    /// The action fails and all processes of the agent stand still until a person resumes it.
    Suspend = 4,
    /// The action fails and all processes of the agent are killed.
    Kill = 5,
}

impl Verdict {
    /// All of them, from the mildest on.
    pub const ALL: [Self; 6] = [
        Self::Ungoverned,
        Self::Allow,
        Self::Ask,
        Self::Deny,
        Self::Suspend,
        Self::Kill,
    ];

    /// The word used for it in policies, records and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ungoverned => "ungoverned",
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
            Self::Suspend => "suspend",
            Self::Kill => "kill",
        }
    }

    /// Reads the word; `None` for anything else.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The number of a rule within its policy, below [`RuleId::LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub u32);

impl RuleId {
    /// No policy has this many rules.
    pub const LIMIT: u32 = (1 << 17) - 2;

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A verdict and the rule it comes from in one word: bits 0..3 the verdict, bit 3 set when a written rule decided (not a built-in,
/// not a default), bit 4 where a connection is let pass and requests over it are judged, bits 8.. the rule id plus one (0 = no rule).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decision(pub u32);

impl Decision {
    /// Nothing decided: the kind of action is not governed, or no rule matched.
    pub const NONE: Self = Self(0);
    const EXPLICIT: u32 = 1 << 3;
    const REQUESTS: u32 = 1 << 4;

    /// Packs a decision.
    pub fn new(verdict: Verdict, explicit: bool, rule: Option<RuleId>) -> Self {
        let explicit = if explicit { Self::EXPLICIT } else { 0 };
        Self(verdict as u32 | explicit | rule.map_or(0, |id| (id.0 + 1) << 8))
    }

    /// The verdict; a word no one packed reads as `Deny`.
    pub fn verdict(self) -> Verdict {
        let packed = Verdict::ALL.get(self.0 as usize & 7);
        packed.copied().unwrap_or(Verdict::Deny)
    }

    /// Whether a written rule decided.
    pub fn explicit(self) -> bool {
        self.0 & Self::EXPLICIT != 0
    }

    /// The same of a connection over which requests are judged, if they are.
    #[must_use]
    pub(crate) fn judging_requests(self, judges: bool) -> Self {
        Self(self.0 | if judges { Self::REQUESTS } else { 0 })
    }

    /// Whether requests over this connection are judged.
    pub fn judges_requests(self) -> bool {
        self.0 & Self::REQUESTS != 0
    }

    /// The rule that decided.
    pub fn rule(self) -> Option<RuleId> {
        (self.0 >> 8).checked_sub(1).map(RuleId)
    }

    /// The stricter of two; of equal verdicts the explicit one; otherwise `self`.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        if (other.verdict(), other.explicit()) > (self.verdict(), self.explicit()) {
            other
        } else {
            self
        }
    }

    /// The decision if it is explicit and does not allow, else [`Decision::NONE`].
    #[must_use]
    pub fn restriction(self) -> Self {
        if self.explicit() && self.verdict() >= Verdict::Ask {
            self
        } else {
            Self::NONE
        }
    }
}

/// What one path decides, column by column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PathDecision {
    /// Opening it for reading.
    pub read: Decision,
    /// Opening it for writing, creating, removing, changing it.
    pub write: Decision,
    /// Running it.
    pub exec: Decision,
    /// Mapping it executable, or being the script an interpreter runs.
    pub load: Decision,
    /// The labels that reading, running or mapping it gives: bits of the policy's own labels, sorted by name.
    pub labels: u32,
    /// The rule that gives them, or the most specific of several.
    pub labelled_by: Decision,
}

impl PathDecision {
    /// What a second name of the same object adds to its first name: what is explicit and does not allow.
    #[must_use]
    pub fn explicit(&self) -> Self {
        Self {
            read: self.read.restriction(),
            write: self.write.restriction(),
            exec: self.exec.restriction(),
            load: self.load.restriction(),
            labels: self.labels,
            labelled_by: self.labelled_by,
        }
    }

    /// The stricter decision of each column.
    #[must_use]
    pub fn strictest(&self, other: &Self) -> Self {
        Self {
            read: self.read.strictest(other.read),
            write: self.write.strictest(other.write),
            exec: self.exec.strictest(other.exec),
            load: self.load.strictest(other.load),
            labels: self.labels | other.labels,
            labelled_by: self.labelled_by.strictest(other.labelled_by),
        }
    }
}
