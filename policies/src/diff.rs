//! What two policies say differently, in actions: examples of what their rules are about, judged by both.
//!
//! Examples prove nothing about all actions. That two texts differ is no difference; that nobody found one does not mean there is none.

mod examples;
mod settings;

use crate::action::Action;
use crate::policy::Policy;
use crate::verdict::Verdict;
use serde::Serialize;

pub use settings::{Setting, settings};

/// An action of which two policies say something different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// As in an `expect` line.
    pub action: String,
    /// What it comes to from one policy to the other.
    pub change: Change,
    /// What the first says.
    pub before: Side,
    /// What the second says.
    pub after: Side,
}

/// What a difference comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The second lets it happen, the first does not.
    Gained,
    /// The first lets it happen, the second does not.
    Lost,
    /// Neither lets it happen, each in its own way.
    Otherwise,
}

/// What one policy says of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What happens.
    pub verdict: Verdict,
    /// The text of the rule that decides; `None` where a default does.
    pub rule: Option<String>,
    /// Its line; `None` where it comes with the language.
    pub line: Option<u32>,
    /// Why, in a sentence.
    pub reason: String,
}

impl Side {
    fn of(policy: &Policy, action: &Action) -> Self {
        let judgement = policy.evaluate(action);
        let rule = judgement.rule.and_then(|id| policy.rule(id));
        Self {
            verdict: judgement.verdict,
            rule: rule.map(|rule| rule.text.clone()),
            line: rule.map(|rule| rule.line).filter(|line| *line > 0),
            reason: judgement.reason,
        }
    }
}

/// What it comes to that one verdict becomes another; `None` if nothing does.
fn change(before: Verdict, after: Verdict) -> Option<Change> {
    match (before.passes(), after.passes()) {
        (true, true) => None,
        (false, true) => Some(Change::Gained),
        (true, false) => Some(Change::Lost),
        (false, false) => (before != after).then_some(Change::Otherwise),
    }
}

/// The actions, among examples of every rule of both policies, the `expect` lines of both and what no rule names, of which they say
/// something different; each once. That one lets happen what the other does not govern is no difference.
pub fn diff(before: &Policy, after: &Policy) -> Vec<Difference> {
    let compare = |action: &Action| {
        let change = change(before.evaluate(action).verdict, after.evaluate(action).verdict)?;
        Some(Difference {
            action: action.to_string(),
            change,
            before: Side::of(before, action),
            after: Side::of(after, action),
        })
    };
    examples::of([before, after]).iter().filter_map(compare).collect()
}
