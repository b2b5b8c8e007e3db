//! What policies say of what is in something that is about to be sent, put together.

use aa_policy::{Decision, Verdict};

/// A person is told of so many things that are in one piece.
const TOLD: usize = 8;

/// The strictest of what is said of each thing.
#[derive(Debug, Default)]
pub(super) struct OfContents {
    pub(super) decision: Decision,
    /// Why, where the rule does not say all.
    pub(super) detail: Option<String>,
    words: Vec<String>,
}

impl OfContents {
    /// What is said of one thing more; `words` are for a person who is asked.
    pub(super) fn add(&mut self, decision: Decision, detail: Option<String>, words: impl FnOnce() -> String) {
        if decision.verdict() <= Verdict::Allow {
            return;
        }
        self.decision = self.decision.strictest(decision);
        self.detail = detail.or(self.detail.take());
        if self.words.len() < TOLD {
            self.words.push(words());
        }
    }

    /// What a person is told.
    pub(super) fn words(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| self.words.join("; "))
    }
}
