//! Judging an action by trying every rule: slow, plain, and what the lowered tables and the kernel are held equal to.

use crate::action::{Action, Protocol};
use crate::judge::{Judgement, Lookup, judge};
use crate::policy::{Policy, SectionDefaults};
use crate::rule::{Column, Pattern, Rule, RuleKind, Section};
use crate::verdict::{Decision, PathDecision, RuleId};

impl Policy {
    /// Judges an action by matching it against the rules one by one.
    pub fn evaluate(&self, action: &Action) -> Judgement {
        judge(self, action)
    }

    /// The highest ranking rule for which `matches` holds, else the default.
    fn best(&self, default: Decision, matches: impl Fn(&Rule) -> bool) -> Decision {
        let best = self
            .rules
            .iter()
            .filter(|rule| matches(rule))
            .max_by_key(|rule| rule.rank);
        best.map_or(default, |rule| {
            Decision::new(rule.verdict, rule.is_written(), Some(rule.id))
        })
    }

    fn column(&self, column: Column, path: &[u8]) -> Decision {
        let default = self.defaults().column(column);
        self.best(default, |rule| {
            rule.column(column).is_some_and(|pattern| pattern.matches(path))
        })
    }

    fn guarded(&self, path: &[u8]) -> bool {
        self.rules.iter().filter(|rule| rule.guards()).any(|rule| {
            [Column::Read, Column::Write, Column::Exec]
                .into_iter()
                .filter_map(|column| rule.column(column))
                .any(|pattern| pattern.reaches_below(path))
        })
    }
}

impl Lookup for Policy {
    fn path(&self, path: &[u8]) -> (PathDecision, bool) {
        let decision = PathDecision {
            read: self.column(Column::Read, path),
            write: self.column(Column::Write, path),
            exec: self.column(Column::Exec, path),
            load: self.column(Column::Load, path),
            unix: self.column(Column::Unix, path),
        };
        (decision, self.guarded(path))
    }

    fn argv(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision {
        self.best(Decision::NONE, |rule| {
            rule.argv()
                .is_some_and(|pattern| pattern.matches(rule.verdict, name, arguments))
        })
    }

    fn address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> Decision {
        self.best(self.defaults().net, |rule| {
            rule.matches_address(address, port, protocol)
        })
    }

    fn nameless(&self) -> (Decision, Decision) {
        let default = self.defaults().exec;
        (
            self.best(default, |rule| rule.pattern == Pattern::Memfd),
            self.best(default, |rule| rule.pattern == Pattern::Deleted),
        )
    }

    fn defaults(&self) -> SectionDefaults {
        self.defaults()
    }

    fn cite(&self, id: RuleId) -> Option<(Section, &str, u32, RuleKind)> {
        self.rule(id)
            .map(|rule| (rule.section, rule.text.as_str(), rule.line, rule.kind))
    }
}
