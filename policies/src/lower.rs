//! A policy as the tables the kernel walks: automata over paths and arguments, address prefixes with port ranges, and hosts.
//!
//! Everything is decided here, once: the kernel looks an answer up and never compares two rules.

mod addresses;
mod argv;
mod automaton;
mod dfa;
mod hosts;
mod minimise;
mod nfa;
mod paths;
mod simulate;

pub use addresses::{AddressEntry, PortRange};
pub use automaton::{Automaton, State};
pub(crate) use hosts::mildest;
pub use hosts::{HostClass, HostClassId, HostTable, Listing};

use crate::content::ContentHash;
use crate::judge::Lookup;
use crate::labels::CarriedKind;
use crate::policy::{Mode, OnGap, Policy, Scope, SectionDefaults, Selector};
use crate::privileges::Privilege;
use crate::rate::{RateClass, RateLimit};
use crate::rule::{Pattern, Rule, RuleKind, Section};
use crate::verdict::{Decision, PathDecision, RuleId, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What [`LowerError::code`] says.
const TOO_LARGE: &str = "policy-too-large";

/// How large tables may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// 32-bit words of one automaton: states times (byte classes + 1).
    pub max_automaton_words: usize,
    /// Rules, built-in ones included.
    pub max_rules: usize,
    /// Address prefixes.
    pub max_address_entries: usize,
    /// Port ranges of one prefix or class of hosts.
    pub max_ranges: usize,
    /// Classes of hosts.
    pub max_host_classes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_automaton_words: 4 << 20,
            max_rules: 100_000,
            max_address_entries: 65_536,
            max_ranges: 64,
            max_host_classes: 16_384,
        }
    }
}

/// A policy does not fit the tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LowerError {
    /// As errors of the daemon write it: `policy-too-large`.
    pub code: &'static str,
    /// What does not fit.
    pub message: String,
    /// Why.
    pub reason: String,
    /// What to write instead.
    pub hint: String,
}

/// Which processes begin to be governed, names substituted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoweredSelector {
    /// By program path.
    Exec {
        /// The pattern; [`Automaton::from_globs`] makes a table of several.
        pattern: String,
        /// The path if the pattern is just one.
        path: Option<Vec<u8>>,
    },
    /// By user.
    User {
        /// The name, or the number as text.
        name: String,
        /// The number if it was one.
        uid: Option<u32>,
    },
    /// By cgroup and those below it.
    Cgroup {
        /// From the root of the hierarchy.
        path: String,
    },
    /// By systemd unit.
    Unit {
        /// With its kind.
        name: String,
    },
}

/// What a record needs to cite a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoweredRule {
    /// Its number; its place in the list.
    pub id: RuleId,
    /// Where it stands.
    pub section: Section,
    /// What it says.
    pub verdict: Verdict,
    /// Written or built-in.
    pub kind: RuleKind,
    /// As written.
    pub text: String,
    /// Its line; 0 for built-ins.
    pub line: u32,
    /// Where two rules match the same, the one with the greater rank decides.
    pub rank: u32,
}

/// What may only be done so often: a bucket of `burst_ns / interval_ns + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoweredRate {
    /// What is counted.
    pub class: RateClass,
    /// After which the bucket gets one more, nanoseconds; never 0.
    pub interval_ns: u64,
    /// How far ahead of its time a full bucket lets one be, nanoseconds.
    pub burst_ns: u64,
    /// On what is more.
    pub decision: Decision,
}

/// A policy as tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lowered {
    /// The policy's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// Enforce or observe.
    pub mode: Mode,
    /// Refuse or degrade.
    pub on_gap: OnGap,
    /// Its level in the cascade.
    pub scope: Option<Scope>,
    /// Whom it governs.
    pub selectors: Vec<LoweredSelector>,
    /// The rules by id.
    pub rules: Vec<LoweredRule>,
    /// Paths of files.
    pub paths: Automaton,
    /// By accept value of `paths`; the first is nothing matched.
    pub path_decisions: Vec<PathDecision>,
    /// Paths of unix sockets, and `@name` of abstract ones.
    pub sockets: Automaton,
    /// By accept value of `sockets`; the first is nothing matched.
    pub socket_decisions: Vec<Decision>,
    /// `name NUL argument NUL ...`
    pub argv: Automaton,
    /// By accept value of `argv`; the first is nothing matched.
    pub argv_decisions: Vec<Decision>,
    /// Where no rule matches.
    pub defaults: SectionDefaults,
    /// What an ask comes to when nobody can be asked: allow or deny.
    pub otherwise: Verdict,
    /// Programs that are anonymous memory.
    pub memfd: Decision,
    /// Programs whose file is gone.
    pub deleted: Decision,
    /// What is in programs: each hash once.
    pub contents: BTreeMap<ContentHash, Decision>,
    /// The longest prefix of an address decides, in it the last range from the port down.
    pub addresses: Vec<AddressEntry>,
    /// At most one of each class.
    pub rates: Vec<LoweredRate>,
    /// The decision while the hours of the policy are closed; absent where it has none.
    pub hours: Option<Decision>,
    /// What names decide; absent where no rule names a host or `dns`.
    pub hosts: Option<HostTable>,
    /// What is denied unless it is listed, in the order of [`Privilege::ALL`].
    pub privileges: [Decision; 3],
    /// The labels, sorted: bit 0 of [`PathDecision::labels`] is the first.
    pub labels: Vec<String>,
    /// For each label, what is taken from who carries it, in the order of [`CarriedKind::ALL`].
    pub carried: Vec<[Decision; 3]>,
    /// Whether what its agents send inside TLS is judged before it is sent.
    pub judges_sends: bool,
    /// On what they send inside TLS where nobody reads it.
    pub blind: Decision,
}

impl Policy {
    /// Makes the tables.
    pub fn lower(&self, limits: &Limits) -> Result<Lowered, LowerError> {
        let max_rules = limits.max_rules.min(RuleId::LIMIT as usize);
        if self.rules.len() > max_rules {
            return Err(LowerError {
                code: TOO_LARGE,
                message: format!("`{}` has too many rules", self.name),
                reason: format!(
                    "{} rules with the built-in ones, the limit is {max_rules}",
                    self.rules.len()
                ),
                hint: "put patterns together with `*`, `**` or `{a,b}`".to_owned(),
            });
        }
        let (paths, path_decisions) = paths::lower(self, limits)?;
        let (sockets, socket_decisions) = paths::lower_sockets(self, limits)?;
        let (argv, argv_decisions) = argv::lower(self, limits)?;
        let (memfd, deleted) = self.nameless();
        Ok(Lowered {
            name: self.name.clone(),
            version: self.version,
            digest: self.digest,
            mode: self.mode,
            on_gap: self.on_gap,
            scope: self.scope.clone(),
            selectors: self.governs.iter().map(lower_selector).collect(),
            rules: self.rules.iter().map(lower_rule).collect(),
            paths,
            path_decisions,
            sockets,
            socket_decisions,
            argv,
            argv_decisions,
            defaults: self.defaults(),
            otherwise: self.asking.otherwise,
            memfd,
            deleted,
            contents: self.rules.iter().filter_map(|rule| self.by_content(rule)).collect(),
            addresses: addresses::lower(self, limits)?,
            rates: self.rates().map(lower_rate).collect(),
            hours: self.hours().map(|(_, rule)| rule.decision()),
            hosts: hosts::lower(self, limits)?,
            privileges: Privilege::ALL.map(|privilege| self.privilege(privilege)),
            labels: self.labels.clone(),
            carried: self
                .labels
                .iter()
                .map(|label| CarriedKind::ALL.map(|kind| self.carried(label, kind)))
                .collect(),
            judges_sends: self.withholds()
                || self.lists_models()
                || self.lists_tools()
                || self.judges_requests()
                || self.spending.is_some(),
            blind: self.blind(),
        })
    }
}

impl Policy {
    /// What a rule about content names, and what is decided on it.
    fn by_content(&self, rule: &Rule) -> Option<(ContentHash, Decision)> {
        match rule.pattern {
            Pattern::Content(content) => Some((content, self.content(&content))),
            _ => None,
        }
    }
}

fn lower_selector(selector: &Selector) -> LoweredSelector {
    match selector {
        Selector::Exec(exec) => LoweredSelector::Exec {
            pattern: exec.pattern.text.clone(),
            path: exec.pattern.literal(),
        },
        Selector::User(name) => LoweredSelector::User {
            name: name.clone(),
            uid: name.parse().ok(),
        },
        Selector::Cgroup(path) => LoweredSelector::Cgroup { path: path.clone() },
        Selector::Unit(name) => LoweredSelector::Unit { name: name.clone() },
    }
}

fn lower_rate((limit, rule): (RateLimit, &Rule)) -> LoweredRate {
    LoweredRate {
        class: limit.class,
        interval_ns: limit.interval_ns(),
        burst_ns: limit.burst_ns(),
        decision: rule.decision(),
    }
}

fn lower_rule(rule: &Rule) -> LoweredRule {
    LoweredRule {
        id: rule.id,
        section: rule.section,
        verdict: rule.verdict,
        kind: rule.kind,
        text: rule.text.clone(),
        line: rule.line,
        rank: rule.rank,
    }
}
