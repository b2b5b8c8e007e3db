//! Judging an action by trying every rule: slow, plain, and what the lowered tables and the kernel are held equal to.

use crate::action::{Action, Protocol};
use crate::content::ContentHash;
use crate::host::{HostName, HostRule};
use crate::judge::{Judgement, Lookup, Place, judge};
use crate::labels::{self, CarriedKind};
use crate::lower::mildest;
use crate::policy::{Policy, SectionDefaults};
use crate::privileges::Privilege;
use crate::request::HttpAction;
use crate::rule::{Column, Pattern, Rule, RuleKind, Section};
use crate::tool::ToolAction;
use crate::verdict::{Decision, PathDecision, RuleId, Verdict};
use std::collections::BTreeSet;

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
        best.map_or(default, Rule::decision)
    }

    fn column(&self, column: Column, path: &[u8]) -> Decision {
        let default = self.defaults().column(column);
        self.best(default, |rule| {
            rule.column(column).is_some_and(|pattern| pattern.matches(path))
        })
    }

    fn guarded(&self, path: &[u8]) -> bool {
        let guarding = self.rules.iter().filter(|rule| rule.guards());
        guarding
            .flat_map(Rule::protected)
            .any(|pattern| pattern.reaches_below(path))
    }

    /// The labels a path gives, and the rule to cite for it.
    fn labelled(&self, path: &[u8]) -> (u32, Decision) {
        let giving = |rule: &Rule| {
            rule.label()
                .filter(|(_, pattern)| pattern.matches(path))
                .map(|(label, _)| labels::bit(&self.labels, label))
        };
        let bits = self.rules.iter().filter_map(giving).fold(0, |bits, bit| bits | bit);
        (bits, self.best(Decision::NONE, |rule| giving(rule).is_some()))
    }
}

impl Lookup for Policy {
    fn path(&self, path: &[u8]) -> (PathDecision, bool) {
        let (labels, labelled_by) = self.labelled(path);
        let decision = PathDecision {
            labels,
            labelled_by,
            read: self.column(Column::Read, path),
            write: self.column(Column::Write, path),
            exec: self.column(Column::Exec, path),
            load: self.column(Column::Load, path),
        };
        (decision, self.guarded(path))
    }

    fn socket(&self, name: &[u8]) -> Decision {
        self.best(self.defaults().net, |rule| {
            rule.socket().is_some_and(|pattern| pattern.matches(name))
        })
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

    fn dns(&self) -> Option<Decision> {
        if self.sections.net.is_none() || !self.rules.iter().any(Rule::needs_resolver) {
            return None;
        }
        let unless_denied = Decision::new(Verdict::Allow, false, None);
        Some(self.best(unless_denied, |rule| rule.pattern == Pattern::Dns))
    }

    fn name(&self, host: &HostName) -> Decision {
        let names = std::slice::from_ref(host);
        let of_host = |rule: &&Rule| matches!(&rule.pattern, Pattern::Host(own) if own.host.matches(host));
        let mut ports = BTreeSet::from([0]);
        for rule in self.rules.iter().filter(of_host) {
            if let Pattern::Host(HostRule { ends, .. }) = &rule.pattern
                && let Some((first, last)) = ends.ports
            {
                ports.insert(first);
                ports.extend(last.checked_add(1));
            }
        }
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Other];
        let decide = |port, protocol| self.best(self.defaults().net, |rule| rule.matches_host(names, port, protocol));
        mildest(
            ports
                .iter()
                .flat_map(|port| protocols.map(|protocol| decide(*port, protocol))),
        )
    }

    fn named(&self, names: &[HostName], place: Place<'_>, port: u16, protocol: Protocol) -> Decision {
        self.best(self.defaults().net, |rule| {
            rule.matches_host(names, port, protocol)
                || match (place, &rule.pattern) {
                    (Place::Address(address), _) => rule.matches_address(address, port, protocol),
                    (Place::Family(family), Pattern::Net(net)) => {
                        rule.counts_at_connect() && net.matches_all(family, port, protocol)
                    }
                    _ => false,
                }
        })
    }

    fn nameless(&self) -> (Decision, Decision) {
        let default = self.defaults().exec;
        (
            self.best(default, |rule| rule.pattern == Pattern::Memfd),
            self.best(default, |rule| rule.pattern == Pattern::Deleted),
        )
    }

    fn content(&self, content: &ContentHash) -> Decision {
        self.best(Decision::NONE, |rule| rule.pattern == Pattern::Content(*content))
    }

    fn defaults(&self) -> SectionDefaults {
        self.defaults()
    }

    fn model(&self, name: &str) -> Decision {
        self.of_model(name)
    }

    fn tool(&self, call: &ToolAction) -> Decision {
        self.of_tool(call)
    }

    fn request(&self, request: &HttpAction) -> Decision {
        self.of_request(request)
    }

    fn privilege(&self, privilege: Privilege) -> Decision {
        let unlisted = Decision::new(Verdict::Deny, false, None);
        self.best(unlisted, |rule| rule.pattern == Pattern::Privilege(privilege))
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn carried(&self, label: &str, kind: CarriedKind) -> Decision {
        self.best(Decision::NONE, |rule| {
            matches!(&rule.pattern, Pattern::Carried { label: own, kind: takes } if own == label && *takes == kind)
        })
    }

    fn cite(&self, id: RuleId) -> Option<(Section, &str, u32, RuleKind)> {
        self.rule(id)
            .map(|rule| (rule.section, rule.text.as_str(), rule.line, rule.kind))
    }
}
