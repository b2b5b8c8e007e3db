//! A checked policy.

use crate::diagnostic::{Diagnostic, Span};
use crate::expect::Expect;
use crate::glob::PathPattern;
use crate::hours::Hours;
use crate::lower::{Limits, Lowered};
use crate::rate::RateLimit;
use crate::rule::{Column, Pattern, Rule, Section};
use crate::spend::Spending;
use crate::tool::Risk;
use crate::verdict::{Decision, PathDecision, RuleId, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

/// What the caller knows and a policy may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$home`: the home of the user the agents run as.
    pub home: Option<String>,
    /// `$run`: their runtime directory.
    pub run: Option<String>,
    /// Further names, which win over the policy's own `let`.
    pub lets: BTreeMap<String, String>,
}

/// Whether verdicts are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are recorded only.
    Observe,
}

/// What to do about a rule this host cannot enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnGap {
    /// Do not load the policy.
    #[default]
    Refuse,
    /// Load it and say so.
    Degrade,
}

/// The level of the cascade a policy belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeLevel {
    /// The whole organisation.
    Org,
    /// A team.
    Team,
    /// One agent.
    Agent,
    /// One session.
    Session,
}

/// Whom a policy is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The level.
    pub level: ScopeLevel,
    /// Its name.
    pub name: String,
}

/// Which processes begin to be governed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Those that run a program whose path matches.
    Exec(ExecSelector),
    /// Those of a user, by name or number.
    User(String),
    /// Those in a cgroup and below, by path from the root of the hierarchy.
    Cgroup(String),
    /// Those of a systemd unit.
    Unit(String),
}

/// A pattern of program paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSelector {
    /// As written.
    pub text: String,
    pub(crate) pattern: PathPattern,
}

impl ExecSelector {
    /// Whether a program's resolved path matches.
    pub fn matches(&self, program: &[u8]) -> bool {
        self.pattern.matches(program)
    }
}

/// How long an ask waits where the policy does not say.
pub(crate) const DEFAULT_WITHIN: Duration = Duration::from_secs(600);
/// The shortest and the longest an ask may wait.
pub(crate) const WITHIN_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(7 * 86_400));

/// What happens to an action that a rule asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Who may answer; empty: whoever may control the daemon.
    pub approvers: Vec<Approver>,
    /// How long the action waits.
    pub within: Duration,
    /// What happens then, and where nobody can be asked: allow or deny.
    pub otherwise: Verdict,
    /// From which risk on two people have to say yes.
    pub second_person: Option<Risk>,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            approvers: Vec::new(),
            within: DEFAULT_WITHIN,
            otherwise: Verdict::Deny,
            second_person: None,
        }
    }
}

/// Who may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approver {
    /// A user, by name or number.
    User(String),
    /// The members of a group, by name or number.
    Group(String),
}

impl std::fmt::Display for Approver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

/// The decision where no rule matches, by section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SectionDefaults {
    /// `file.read`
    pub read: Decision,
    /// `file.write`
    pub write: Decision,
    /// `exec`
    pub exec: Decision,
    /// Mapping executable: the default of `exec`.
    pub load: Decision,
    /// `net`
    pub net: Decision,
}

impl SectionDefaults {
    /// The decision of a path that no pattern matches.
    pub fn path(&self) -> PathDecision {
        PathDecision {
            read: self.read,
            write: self.write,
            exec: self.exec,
            load: self.load,
            labels: 0,
            labelled_by: Decision::NONE,
        }
    }

    pub(crate) fn section(&self, section: Section) -> Decision {
        match section {
            Section::Read => self.read,
            Section::Write => self.write,
            Section::Exec => self.exec,
            Section::Load => self.load,
            Section::Net => self.net,
            Section::Label
            | Section::Carried
            | Section::Block
            | Section::Redact
            | Section::Blind
            | Section::Model
            | Section::Tool
            | Section::Spend
            | Section::Privileges
            | Section::Rate
            | Section::Hours => Decision::NONE,
        }
    }

    pub(crate) fn column(&self, column: Column) -> Decision {
        match column {
            Column::Read => self.read,
            Column::Write => self.write,
            Column::Exec => self.exec,
            Column::Load => self.load,
        }
    }
}

/// A section that is present, with its own default if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Present {
    pub(crate) default: Option<Verdict>,
}

/// The sections of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sections {
    pub(crate) read: Option<Present>,
    pub(crate) write: Option<Present>,
    pub(crate) exec: Option<Present>,
    pub(crate) net: Option<Present>,
    pub(crate) model: Option<Present>,
    pub(crate) tool: Option<Present>,
    pub(crate) default: Option<Verdict>,
}

impl Sections {
    pub(crate) fn get(&self, section: Section) -> Option<Present> {
        match section {
            Section::Read => self.read,
            Section::Write => self.write,
            Section::Exec | Section::Load => self.exec,
            Section::Net => self.net,
            Section::Model => self.model,
            Section::Tool => self.tool,
            Section::Label
            | Section::Carried
            | Section::Block
            | Section::Redact
            | Section::Blind
            | Section::Spend
            | Section::Privileges
            | Section::Rate
            | Section::Hours => None,
        }
    }

    pub(crate) fn decision(&self, section: Section) -> Decision {
        self.get(section).map_or(Decision::NONE, |present| {
            Decision::new(present.default.or(self.default).unwrap_or(Verdict::Deny), false, None)
        })
    }
}

/// A policy that was read and checked, and whose `expect` lines hold.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) about: Option<String>,
    pub(crate) scope: Option<Scope>,
    pub(crate) mode: Mode,
    pub(crate) on_gap: OnGap,
    pub(crate) governs: Vec<Selector>,
    pub(crate) lets: BTreeMap<String, String>,
    pub(crate) asking: Asking,
    pub(crate) spending: Option<Spending>,
    pub(crate) sections: Sections,
    /// The labels its rules speak of, sorted.
    pub(crate) labels: Vec<String>,
    /// Those of them that take nothing from anybody.
    pub(crate) idle_labels: Vec<(String, Span)>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) expects: Vec<Expect>,
    pub(crate) digest: [u8; 32],
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) spans: Vec<Span>,
    pub(crate) warnings: OnceLock<Vec<Diagnostic>>,
}

impl Policy {
    /// Whether it names hosts or `dns`: then lookups go through the resolver.
    pub fn names_hosts(&self) -> bool {
        self.rules.iter().any(Rule::needs_resolver)
    }

    /// The name records cite, with the version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What it is for.
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// Whom it is for.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// Enforce or observe.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Refuse or degrade.
    pub fn on_gap(&self) -> OnGap {
        self.on_gap
    }

    /// Which processes begin to be governed by it.
    pub fn governs(&self) -> &[Selector] {
        &self.governs
    }

    /// What happens to what its rules ask about.
    pub fn asking(&self) -> &Asking {
        &self.asking
    }

    /// What may only be done so often, and the rule that says so.
    pub fn rates(&self) -> impl Iterator<Item = (RateLimit, &Rule)> {
        self.rules.iter().filter_map(|rule| match rule.pattern {
            Pattern::Rate(limit) => Some((limit, rule)),
            _ => None,
        })
    }

    /// When it lets nothing happen, and the rule that says so; `None`: it is always open.
    pub fn hours(&self) -> Option<(&Hours, &Rule)> {
        self.rules.iter().find_map(|rule| match &rule.pattern {
            Pattern::Hours(hours) => Some((hours, rule)),
            _ => None,
        })
    }

    /// The names of its labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The decision on what is sent inside TLS where nobody reads it, if the policy takes one.
    pub fn blind(&self) -> Decision {
        let rule = self.rules.iter().find(|rule| rule.pattern == Pattern::Blind);
        rule.map_or(Decision::NONE, Rule::decision)
    }

    /// SHA-256 of the text.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// All rules, the written before the built-in; a rule's id is its place here.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with this number.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.index())
    }

    /// What happens where no rule matches.
    pub fn defaults(&self) -> SectionDefaults {
        SectionDefaults {
            read: self.sections.decision(Section::Read),
            write: self.sections.decision(Section::Write),
            exec: self.sections.decision(Section::Exec),
            load: self.sections.decision(Section::Load),
            net: self.sections.decision(Section::Net),
        }
    }

    /// What is odd about it: absent sections, rules that never decide. Worked out at the first call, by lowering it.
    pub fn warnings(&self) -> &[Diagnostic] {
        self.warnings
            .get_or_init(|| crate::warnings::find(self, self.lower(&Limits::default()).as_ref()))
    }

    /// The same for who has lowered it already, with the limits of everybody: lowering is most of the work.
    pub fn warnings_from(&self, lowered: &Lowered) -> &[Diagnostic] {
        self.warnings.get_or_init(|| crate::warnings::find(self, Ok(lowered)))
    }
}

/// Two policies are equal if they mean the same and say it in the same words, wherever they stand.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let rules = |policy: &Self| -> Vec<Rule> {
            policy
                .rules
                .iter()
                .map(|rule| Rule {
                    line: 0,
                    ..rule.clone()
                })
                .collect()
        };
        let expects =
            |policy: &Self| -> Vec<String> { policy.expects.iter().map(|expect| expect.text.clone()).collect() };
        self.name == other.name
            && self.version == other.version
            && self.about == other.about
            && self.scope == other.scope
            && self.mode == other.mode
            && self.on_gap == other.on_gap
            && self.governs == other.governs
            && self.lets == other.lets
            && self.asking == other.asking
            && self.spending == other.spending
            && self.sections == other.sections
            && rules(self) == rules(other)
            && expects(self) == expects(other)
    }
}
