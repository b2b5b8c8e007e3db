//! What the kernel answers, from the tables alone.

use super::{AddressEntry, Lowered};
use crate::action::{Action, Protocol};
use crate::address::{Network, masked};
use crate::content::ContentHash;
use crate::host::HostName;
use crate::judge::{Judgement, Lookup, Place, judge};
use crate::labels::CarriedKind;
use crate::policy::SectionDefaults;
use crate::privileges::Privilege;
use crate::request::HttpAction;
use crate::rule::{RuleKind, Section};
use crate::tool::ToolAction;
use crate::verdict::{Decision, PathDecision, RuleId};

impl Lowered {
    /// Judges an action by the tables, as the kernel does.
    pub fn evaluate(&self, action: &Action) -> Judgement {
        judge(self, action)
    }

    /// The decisions on a path, and whether something below it is protected.
    pub fn path(&self, path: &[u8]) -> (PathDecision, bool) {
        let (accept, guarded) = self.paths.walk(path);
        (
            self.path_decisions.get(accept as usize).copied().unwrap_or_default(),
            guarded,
        )
    }

    /// The decision on a unix socket, by path or `@name`.
    pub fn socket(&self, name: &[u8]) -> Decision {
        let (accept, _) = self.sockets.walk(name);
        self.socket_decisions.get(accept as usize).copied().unwrap_or_default()
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
        self.by_port(entry, port, protocol)
    }

    fn by_port(&self, entry: Option<&AddressEntry>, port: u16, protocol: Protocol) -> Decision {
        let range = entry.and_then(|entry| entry.ranges.iter().rev().find(|range| range.from <= port));
        range.map_or(self.defaults.net, |range| range.decision(protocol))
    }

    /// The decision on every address of a family, whatever rules say about some of them.
    fn family(&self, family: &Network, port: u16, protocol: Protocol) -> Decision {
        let of_family = |entry: &&AddressEntry| entry.prefix == family.prefix && entry.prefix_len == family.length;
        self.by_port(self.addresses.iter().find(of_family), port, protocol)
    }
}

impl Lookup for Lowered {
    fn path(&self, path: &[u8]) -> (PathDecision, bool) {
        self.path(path)
    }

    fn socket(&self, name: &[u8]) -> Decision {
        self.socket(name)
    }

    fn argv(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision {
        self.arguments(name, arguments)
    }

    fn address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> Decision {
        self.address(address, port, protocol)
    }

    fn dns(&self) -> Option<Decision> {
        self.hosts.as_ref().map(|hosts| hosts.dns)
    }

    fn name(&self, host: &HostName) -> Decision {
        let hosts = self.hosts.as_ref();
        hosts.map_or(Decision::NONE, |hosts| hosts.find(host).lookup)
    }

    /// The strongest of what is decided for the address and for the class of each name.
    fn named(&self, names: &[HostName], place: Place<'_>, port: u16, protocol: Protocol) -> Decision {
        let by_place = match place {
            Place::Address(address) => self.address(address, port, protocol),
            Place::Family(family) => self.family(family, port, protocol),
        };
        let classes = self.hosts.iter().flat_map(|hosts| {
            let class = |name| hosts.classes.get(usize::from(hosts.find(name).class.0));
            names.iter().filter_map(class)
        });
        let decisions = classes
            .filter_map(|class| class.decide(port, protocol))
            .chain([by_place]);
        let rank = |decision: &Decision| {
            let rule = decision.rule().and_then(|id| self.rules.get(id.index()));
            rule.map(|rule| rule.rank)
        };
        decisions.max_by_key(rank).unwrap_or(self.defaults.net)
    }

    fn nameless(&self) -> (Decision, Decision) {
        (self.memfd, self.deleted)
    }

    fn content(&self, content: &ContentHash) -> Decision {
        self.contents.get(content).copied().unwrap_or_default()
    }

    fn defaults(&self) -> SectionDefaults {
        self.defaults
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
        self.privileges.get(privilege as usize).copied().unwrap_or_default()
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn carried(&self, label: &str, kind: CarriedKind) -> Decision {
        let place = self.labels.iter().position(|own| own == label);
        let taken = place.and_then(|place| self.carried.get(place));
        taken
            .and_then(|taken| taken.get(kind as usize))
            .copied()
            .unwrap_or_default()
    }

    fn cite(&self, id: RuleId) -> Option<(Section, &str, u32, RuleKind)> {
        self.rules
            .get(id.index())
            .map(|rule| (rule.section, rule.text.as_str(), rule.line, rule.kind))
    }
}
