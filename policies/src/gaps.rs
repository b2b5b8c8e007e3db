//! What of a policy a host does not carry out that judges the network alone (where the kernel refuses LSM programs).

use std::fmt;

use crate::policy::Policy;
use crate::rate::RateClass;
use crate::rule::{Pattern, Rule, RuleKind, Section};
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

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{} `{}`: {}", self.section, self.text, self.instead)
    }
}

const NOT_JUDGED: &str = "not judged";

impl Policy {
    /// What it asks for beyond addresses, hosts and how often these are connected to, in the order of the file.
    pub fn gaps_beyond_network(&self) -> Vec<Gap> {
        let written = || self.rules().iter().filter(|rule| rule.kind == RuleKind::Written);
        let mut gaps: Vec<Gap> = written()
            .filter_map(|rule| {
                beyond_network(rule).map(|instead| Gap {
                    section: rule.section,
                    line: rule.line,
                    text: rule.text.clone(),
                    instead,
                })
            })
            .collect();
        for section in [Section::Read, Section::Write, Section::Exec] {
            let default = self
                .sections
                .get(section)
                .map(|_| self.sections.decision(section).verdict());
            if let Some(verdict) = default.filter(|verdict| *verdict > Verdict::Allow)
                && !written().any(|rule| rule.section == section)
            {
                gaps.push(Gap {
                    section,
                    line: 0,
                    text: format!("default: {verdict}"),
                    instead: NOT_JUDGED,
                });
            }
        }
        gaps.sort_by_key(|gap| gap.line);
        gaps
    }
}

impl Policy {
    /// The rules about what is in programs, for a kernel that cannot tell.
    pub fn gaps_without_contents(&self) -> Vec<Gap> {
        let by_content = self
            .rules()
            .iter()
            .filter(|rule| matches!(rule.pattern, Pattern::Content(_)));
        by_content
            .map(|rule| Gap {
                section: rule.section,
                line: rule.line,
                text: rule.text.clone(),
                instead: NOT_JUDGED,
            })
            .collect()
    }
}

fn beyond_network(rule: &Rule) -> Option<&'static str> {
    match (rule.section, &rule.pattern) {
        (Section::Net, Pattern::Unix(_)) if rule.verdict <= Verdict::Ask => {
            Some("denied: no unix socket that has a name is reached")
        }
        (Section::Net, _) => None,
        (Section::Rate, Pattern::Rate(limit)) if limit.class == RateClass::Connect => None,
        (Section::Hours, _) => Some("closes the network only"),
        (Section::Privileges, _) => Some("closed by seccomp under `aasm run`, listed or not"),
        _ => Some(NOT_JUDGED),
    }
}
