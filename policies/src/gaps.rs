//! What of a policy a host does not carry out whose kernel refuses LSM programs: there the network is judged, and programs
//! are, which cannot wait.

use std::fmt;

use crate::policy::Policy;
use crate::rate::RateClass;
use crate::rule::{Column, Pattern, Rule, RuleKind, Section};
use crate::verdict::Verdict;

/// A rule, or a whole section by its default, that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where it stands.
    pub section: Section,
    /// The line it stands on; 0 for a default.
    pub line: u32,
    /// As written.
    pub text: String,
    /// What comes of it there.
    pub instead: &'static str,
}

impl Gap {
    fn of(rule: &Rule, instead: &'static str) -> Self {
        Self {
            section: rule.section,
            line: rule.line,
            text: rule.text.clone(),
            instead,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{} `{}`: {}", self.section, self.text, self.instead)
    }
}

const NOT_JUDGED: &str = "not judged";
const NOT_ATTRIBUTES: &str = "Landlock judges names and contents, not modes, owners and attributes";
const NOT_ASKED: &str = "denied: nobody can be asked about a program there";

impl Policy {
    /// What it asks for beyond addresses, hosts, programs, how often these are connected to or run, and, for processes that
    /// Landlock confines, files; in the order of the file.
    pub fn gaps_without_lsm(&self, by_landlock: bool) -> Vec<Gap> {
        let written = || self.rules().iter().filter(|rule| rule.kind == RuleKind::Written);
        let confined = |section| by_landlock && self.is_confined(section);
        let instead = |rule: &Rule| match rule.section {
            Section::Read if confined(rule.section) => self.beyond_trees(rule, Column::Read),
            Section::Write if confined(rule.section) => self.beyond_trees(rule, Column::Write),
            _ => without_lsm(rule),
        };
        let mut gaps: Vec<Gap> = written()
            .filter_map(|rule| instead(rule).map(|instead| Gap::of(rule, instead)))
            .collect();
        for section in [Section::Read, Section::Write, Section::Exec] {
            let verdict = self.sections.decision(section).verdict();
            let instead = match section {
                Section::Exec if verdict == Verdict::Ask => NOT_ASKED,
                Section::Exec => continue,
                Section::Write if confined(section) => NOT_ATTRIBUTES,
                _ if confined(section) || verdict <= Verdict::Allow => continue,
                _ if written().any(|rule| rule.section == section) => continue,
                _ => NOT_JUDGED,
            };
            gaps.push(Gap {
                section,
                line: 0,
                text: format!("default: {verdict}"),
                instead,
            });
        }
        let programs = written().filter(|rule| rule.section == Section::Exec);
        let strictest = programs.map(|rule| rule.verdict).max().unwrap_or_default();
        if strictest.max(self.sections.decision(Section::Exec).verdict()) > Verdict::Allow {
            gaps.push(Gap {
                section: Section::Load,
                line: 0,
                text: "code that is mapped".to_owned(),
                instead: "not judged: libraries, and programs that are given to the loader (`ld.so PROGRAM`)",
            });
        }
        gaps.sort_by_key(|gap| gap.line);
        gaps
    }

    /// The rules about what is in programs, for a kernel that cannot tell.
    pub fn gaps_without_contents(&self) -> Vec<Gap> {
        let rules = self.rules().iter();
        rules
            .filter(|rule| matches!(rule.pattern, Pattern::Content(_)))
            .map(|rule| Gap::of(rule, NOT_JUDGED))
            .collect()
    }
}

fn without_lsm(rule: &Rule) -> Option<&'static str> {
    match (rule.section, &rule.pattern) {
        (Section::Net, Pattern::Unix(_)) if rule.verdict <= Verdict::Ask => {
            Some("denied: no unix socket that has a name is reached")
        }
        (Section::Rate, Pattern::Rate(limit)) => match limit.class {
            RateClass::Exec if rule.verdict == Verdict::Ask => Some(NOT_ASKED),
            RateClass::Connect | RateClass::Exec => None,
            _ => Some(NOT_JUDGED),
        },
        (_, Pattern::Content(_)) => Some(NOT_JUDGED),
        (Section::Exec, _) if rule.verdict == Verdict::Ask => Some(NOT_ASKED),
        (Section::Exec, Pattern::Interpreter(_)) => Some("judged for scripts alone"),
        // Libraries are probed there too.
        (
            Section::Net
            | Section::Exec
            | Section::Block
            | Section::Redact
            | Section::Model
            | Section::Tool
            | Section::Spend,
            _,
        ) => None,
        (Section::Hours, _) => Some("closes the network and programs only"),
        (Section::Privileges, _) => Some("closed by seccomp under `aasm run`, listed or not"),
        _ => Some(NOT_JUDGED),
    }
}
