//! What the kernel answers, from the tables alone.

use super::Lowered;
use crate::action::{Action, Protocol};
use crate::address::masked;
use crate::judge::{Judgement, Lookup, judge};
use crate::policy::SectionDefaults;
use crate::rule::{RuleKind, Section};
use crate::verdict::{Decision, PathDecision, RuleId};

impl Lowered {
    /// Judges an action by the tables, as the kernel does.
    pub fn evaluate(&self, action: &Action) -> Judgement {
        judge(self, action)
    }

    /// The decisions on a path or `@name`, and whether something below it is protected.
    pub fn path(&self, path: &[u8]) -> (PathDecision, bool) {
        let (accept, guarded) = self.paths.walk(path);
        (
            self.path_decisions.get(accept as usize).copied().unwrap_or_default(),
            guarded,
        )
    }

    /// The decision on a name and arguments (without `argv[0]`), [`Decision::NONE`] where no rule matches.
    pub fn arguments(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision {
        let mut input = name.to_vec();
        input.push(0);
        for argument in arguments {
            input.extend_from_slice(argument);
            input.push(0);
        }
        let (accept, _) = self.argv.walk(&input);
        self.argv_decisions.get(accept as usize).copied().unwrap_or_default()
    }

    /// The decision on a canonical address.
    pub fn address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> Decision {
        let entry = self
            .addresses
            .iter()
            .filter(|entry| masked(address, entry.prefix_len) == entry.prefix)
            .max_by_key(|entry| entry.prefix_len);
        let range = entry.and_then(|entry| entry.ranges.iter().rev().find(|range| range.from <= port));
        range.map_or(self.defaults.net, |range| match protocol {
            Protocol::Tcp => range.tcp,
            Protocol::Udp => range.udp,
            Protocol::Other => range.other,
        })
    }
}

impl Lookup for Lowered {
    fn path(&self, path: &[u8]) -> (PathDecision, bool) {
        self.path(path)
    }

    fn argv(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision {
        self.arguments(name, arguments)
    }

    fn address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> Decision {
        self.address(address, port, protocol)
    }

    fn nameless(&self) -> (Decision, Decision) {
        (self.memfd, self.deleted)
    }

    fn defaults(&self) -> SectionDefaults {
        self.defaults
    }

    fn cite(&self, id: RuleId) -> Option<(Section, &str, u32, RuleKind)> {
        self.rules
            .get(id.index())
            .map(|rule| (rule.section, rule.text.as_str(), rule.line, rule.kind))
    }
}
