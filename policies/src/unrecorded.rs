//! What a verdict turns on that the audit log does not hold: where a policy is tried on what was recorded, this cannot be told.

use crate::action::{Action, ExecAction};
use crate::labels::CarriedKind;
use crate::policy::Policy;
use crate::rule::{Pattern, Rule};
use crate::verdict::Verdict;
use crate::witness;
use serde::Serialize;
use std::cell::LazyCell;
use std::fmt;

/// What is not in the record of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unrecorded {
    /// The arguments of a program.
    Arguments,
    /// What is in a program.
    Content,
    /// The labels its process carried.
    Labels,
    /// The names that lead to an address, where the policy of that time named no hosts.
    Names,
    /// Whether what was opened to write was opened to read too.
    Reading,
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arguments => "a rule looks at arguments, which no record holds",
            Self::Content => "a rule looks at what is in the program, which no record holds",
            Self::Labels => "it turns on labels, and no record holds which the process carried",
            Self::Names => "a rule names hosts, and the names behind addresses were not recorded",
            Self::Reading => "a record of opening to write does not hold whether it was to read, too",
        })
    }
}

impl Policy {
    /// Whether it says anything about the network.
    pub fn governs_net(&self) -> bool {
        self.sections.net.is_some()
    }

    /// What the verdict on an action could turn on that is not in it, if it is as the log has it: without arguments, labels, names.
    /// `judge` says what this policy's verdicts are, by its rules or its tables.
    pub fn turns_on(&self, action: &Action, judge: impl Fn(&Action) -> Verdict) -> Vec<Unrecorded> {
        let known = LazyCell::new(|| judge(action));
        let differs = |other: &Action| !judge(other).same_as(*known);
        let mut found = Vec::new();
        let mut note = |what: Unrecorded, mut others: Box<dyn Iterator<Item = Action> + '_>| {
            if others.any(|other| differs(&other)) {
                found.push(what);
            }
        };
        match action {
            Action::Exec(exec) => {
                note(Unrecorded::Arguments, Box::new(self.with_arguments(exec)));
                note(Unrecorded::Content, Box::new(self.with_contents(exec)));
            }
            Action::Connect { .. } => note(Unrecorded::Names, Box::new(self.with_names(action))),
            Action::Write { path } => {
                let both = Action::ReadWrite { path: path.clone() };
                note(Unrecorded::Reading, Box::new(std::iter::once(both)));
            }
            _ => {}
        }
        if CarriedKind::of(action).is_some() {
            let carrying = self.labels.iter().map(|label| Action::Carrying {
                labels: vec![label.clone()],
                action: Box::new(action.clone()),
            });
            note(Unrecorded::Labels, Box::new(carrying));
        }
        found
    }

    /// The program with arguments that each rule about these matches, and with some that none does.
    fn with_arguments<'a>(&'a self, exec: &'a ExecAction) -> impl Iterator<Item = Action> + 'a {
        let of_rule = |rule: &Rule| match &rule.pattern {
            Pattern::Argv(pattern) => Some(witness::argv(pattern, &mut |_| 0).1),
            _ => None,
        };
        let matched = self.rules.iter().filter_map(of_rule);
        matched.chain([vec![b"unnamed".to_vec()]]).map(|arguments| {
            let called = exec.argv.first().unwrap_or(&exec.program).clone();
            Action::Exec(ExecAction {
                argv: std::iter::once(called).chain(arguments).collect(),
                ..exec.clone()
            })
        })
    }

    fn with_contents<'a>(&'a self, exec: &'a ExecAction) -> impl Iterator<Item = Action> + 'a {
        self.rules.iter().filter_map(|rule| match rule.pattern {
            Pattern::Content(content) => Some(Action::Exec(ExecAction {
                content: Some(content),
                ..exec.clone()
            })),
            _ => None,
        })
    }

    /// The address under a name of each rule about hosts.
    fn with_names<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = Action> + 'a {
        self.rules.iter().filter_map(move |rule| match (&rule.pattern, action) {
            (Pattern::Host(host), Action::Connect { address, protocol }) => Some(Action::ConnectBound {
                address: *address,
                protocol: *protocol,
                names: vec![host.host.example()],
            }),
            _ => None,
        })
    }
}

impl Verdict {
    /// Whether the action passes.
    pub fn passes(self) -> bool {
        self <= Self::Allow
    }

    /// Whether the action fails, whatever else becomes of who tried.
    pub fn is_denial(self) -> bool {
        self >= Self::Deny
    }

    /// Whether both come to the same for who acts.
    pub(crate) fn same_as(self, other: Self) -> bool {
        self == other || self.passes() && other.passes()
    }
}
