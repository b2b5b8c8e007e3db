//! Which tools are called, and with what: patterns over the names of tools, with conditions on their arguments.

use crate::condition::{Condition, Holds};
use crate::diagnostic::{Code, Complaint};
use crate::facts::Facts;
use crate::glob::wildcard;
use crate::lower::Lowered;
use crate::policy::Policy;
use crate::rule::{Pattern, Rule, RuleKind, Section};
use crate::syntax::count;
use crate::verdict::{Decision, RuleId, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How grave it is, where a rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// It can be undone.
    Low,
    /// It takes work to undo.
    Medium,
    /// It does harm if it is wrong.
    High,
    /// It cannot be undone.
    Critical,
}

impl Risk {
    /// From the lowest on.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As policies and records have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a rule about tools matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolPattern {
    /// `*` is any characters, `?` is one.
    name: String,
    when: Option<Condition>,
}

/// What no rule names.
const UNLISTED: &str = "*";
/// Between a pattern and its condition in the text of a rule. No name has a space in it.
const WHEN: &str = " when ";

impl ToolPattern {
    pub(crate) fn new(name: &str, when: Option<Condition>) -> Result<Self, Complaint> {
        if name.is_empty() {
            return Err(Complaint::new(Code::Value, "a tool has a name").hint("`fs.read_*`, or `*` for any"));
        }
        if let Some(odd) = name.chars().find(|c| c.is_whitespace() || c.is_control()) {
            let message = format!("`{}`: no tool has {odd:?} in its name", name.escape_debug());
            return Err(Complaint::new(Code::Value, message)
                .hint("a condition stands beside the name: {name: \"db.query\", when: 'args.sql.size() > 100'}"));
        }
        let name = name.to_owned();
        Ok(Self { name, when })
    }

    /// A rule's text, as [`Self::text`] gives it.
    fn parse(text: &str) -> Result<Self, Complaint> {
        match text.split_once(WHEN) {
            Some((name, when)) => Self::new(name, Some(Condition::parse(when)?)),
            None => Self::new(text, None),
        }
    }

    /// What rules are cited by.
    pub(crate) fn text(&self) -> String {
        match &self.when {
            Some(when) => format!("{}{WHEN}{when}", self.name),
            None => self.name.clone(),
        }
    }

    /// The name and the condition as they were written.
    pub(crate) fn parts(&self) -> (&str, Option<&Condition>) {
        (&self.name, self.when.as_ref())
    }

    /// Whether a call matches, of which no more may be known than is known here: what cannot be told matches what does not allow. Case
    /// does not count there either, since some servers do not mind it.
    fn matches(&self, verdict: Verdict, name: Option<&str>, facts: &Facts) -> bool {
        let restricts = verdict > Verdict::Allow;
        let named = match name {
            Some(name) if restricts => wildcard(self.name.to_lowercase().as_bytes(), name.to_lowercase().as_bytes()),
            Some(name) => wildcard(self.name.as_bytes(), name.as_bytes()),
            None => restricts,
        };
        named
            && match self.when.as_ref().map(|when| when.holds(facts)) {
                None | Some(Holds::Yes) => true,
                Some(Holds::No) => false,
                Some(Holds::Unknown) => restricts,
            }
    }

    /// Longest literal prefix, then longer pattern; of the same name that with a condition.
    pub(crate) fn specificity(&self) -> (u32, u32) {
        let literal = self.name.bytes().take_while(|byte| !b"*?".contains(byte)).count();
        let length = self.name.len() * 2 + usize::from(self.when.is_some());
        (count(literal), count(length))
    }

    /// A name that it matches.
    pub(crate) fn example(&self) -> String {
        self.name.replace(['*', '?'], "x")
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ToolAction {
    /// The tool's.
    pub name: String,
    /// What it is called with, where known: an object of JSON.
    pub arguments: Option<String>,
}

impl ToolAction {
    fn facts(&self) -> Facts {
        let facts = Facts::default().tool(&self.name);
        let arguments = self
            .arguments
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        match arguments {
            Some(arguments) => facts.arguments(&arguments),
            None => facts,
        }
    }
}

/// The rule about tools that no other names, in a policy that has the section.
pub(crate) fn unlisted(verdict: Verdict) -> Option<Rule> {
    let pattern = Pattern::Tool(ToolPattern::new(UNLISTED, None).ok()?);
    let kind = RuleKind::BuiltIn;
    Some(Rule::new(kind, Section::Tool, verdict, UNLISTED.to_owned(), pattern))
}

impl Policy {
    /// Whether it says which tools may be called.
    pub fn lists_tools(&self) -> bool {
        self.sections.tool.is_some()
    }

    /// The decision on a call of a tool; `name` is `None` where it cannot be told, which matches whatever does not allow, and nothing that
    /// does.
    pub fn tool(&self, name: Option<&str>, facts: &Facts) -> Decision {
        let best = self.rules.iter().filter(|rule| match &rule.pattern {
            Pattern::Tool(pattern) => pattern.matches(rule.verdict, name, facts),
            _ => false,
        });
        match best.max_by_key(|rule| rule.rank) {
            Some(rule) => Decision::new(rule.verdict, true, Some(rule.id)),
            // The section's default allows, so no rule of it can be about what has no name.
            None if self.lists_tools() => Decision::new(Verdict::Allow, false, None),
            None => Decision::NONE,
        }
    }

    pub(crate) fn of_tool(&self, call: &ToolAction) -> Decision {
        self.tool(Some(&call.name), &call.facts())
    }

    /// The rules without conditions that decide something: what conditions leave.
    pub(crate) fn of_unconditional_tools(&self) -> impl Iterator<Item = Decision> {
        let plain = |rule: &&Rule| matches!(&rule.pattern, Pattern::Tool(pattern) if pattern.when.is_none());
        self.rules.iter().filter(plain).filter_map(move |rule| {
            let Pattern::Tool(pattern) = &rule.pattern else {
                return None;
            };
            let name = pattern.example();
            let matching = self.rules.iter().filter(plain).filter(|other| match &other.pattern {
                Pattern::Tool(pattern) => pattern.matches(other.verdict, Some(&name), &Facts::default()),
                _ => false,
            });
            matching.max_by_key(|rule| rule.rank).map(Rule::decision)
        })
    }

    /// How grave what a rule is about is, where it says so.
    pub fn risk(&self, id: RuleId) -> Option<Risk> {
        self.rule(id).and_then(|rule| rule.risk)
    }
}

impl Lowered {
    /// The same by its rules, whose texts stand there as they are.
    pub(crate) fn of_tool(&self, call: &ToolAction) -> Decision {
        let facts = call.facts();
        let of_section = self.rules.iter().filter(|rule| rule.section == Section::Tool);
        let matching = of_section.filter(|rule| {
            ToolPattern::parse(&rule.text).is_ok_and(|tool| tool.matches(rule.verdict, Some(&call.name), &facts))
        });
        let best = matching.max_by_key(|rule| rule.rank);
        best.map_or(Decision::NONE, |rule| Decision::new(rule.verdict, true, Some(rule.id)))
    }
}
