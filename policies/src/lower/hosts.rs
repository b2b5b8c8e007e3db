//! Hosts: which rules a name meets, and what these decide by port.
//!
//! A name is never seen by the kernel. The resolver finds its *class* here, the set of host rules it matches, and binds each address
//! it answers to that class. There is one class for each name and each wildcard written, at most, so a few numbers stand for all names.

use super::addresses::{PortRange, ranges};
use super::{Limits, LowerError, LoweredRule, TOO_LARGE, lower_rule};
use crate::action::Protocol;
use crate::address::{Ends, Network};
use crate::host::{HostName, HostPattern, HostRule};
use crate::judge::Lookup as _;
use crate::policy::Policy;
use crate::rule::{Pattern, Rule};
use crate::special::is_special;
use crate::verdict::{Decision, RuleId, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The number of a class of hosts within its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostClassId(pub u16);

impl HostClassId {
    /// No policy has this many.
    pub const LIMIT: usize = 1 << 16;
}

/// All names that meet the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostClass {
    /// The host rules its names match.
    pub rules: Vec<RuleId>,
    /// What these decide, by first port, rising; the first range is from port 0.
    pub ranges: Vec<PortRange>,
    /// Whether its names are looked up: the mildest of `ranges`. Allow and ask are, since what asks must be reached first.
    pub lookup: Decision,
}

impl HostClass {
    pub(crate) fn decide(&self, port: u16, protocol: Protocol) -> Option<Decision> {
        let range = self.ranges.iter().rev().find(|range| range.from <= port)?;
        Some(range.decision(protocol))
    }
}

/// What the resolver needs of a policy. Present where a rule names a host or `dns`: then every lookup goes through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTable {
    /// Whether anything is looked up at all.
    pub dns: Decision,
    /// Names written whole.
    pub exact: BTreeMap<HostName, HostClassId>,
    /// `*.name`, by name: all names below it that are not in `exact` and not below a longer one.
    pub below: BTreeMap<HostName, HostClassId>,
    /// The class of all other names.
    pub others: HostClassId,
    /// Whether `*` lists these.
    pub lists_others: bool,
    /// The classes by number.
    pub classes: Vec<HostClass>,
    /// Prefix and length of what allowed or asked addresses lie in special ranges: names may lead there.
    pub local: Vec<([u8; 16], u8)>,
    /// The rules that name a host or `dns`.
    pub rules: Vec<LoweredRule>,
}

/// What a [`HostTable`] says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<'table> {
    /// Its class.
    pub class: HostClassId,
    /// Whether it is looked up.
    pub lookup: Decision,
    /// The wildcard that lists it, if its own name is not written: the name below which it lies, or `*`.
    pub below: Option<&'table str>,
}

impl HostTable {
    /// Finds the class of a name: its own, else that of the longest wildcard.
    pub fn find(&self, name: &HostName) -> Listing<'_> {
        let listing = |class: HostClassId, below| {
            let own = self.classes.get(usize::from(class.0)).map(|class| class.lookup);
            let own = own.unwrap_or(Decision::new(Verdict::Deny, false, None));
            let refused = self.dns.verdict() == Verdict::Deny;
            let lookup = if refused { self.dns } else { own };
            Listing { class, lookup, below }
        };
        if let Some(class) = self.exact.get(name) {
            return listing(*class, None);
        }
        let mut above = name.upwards().skip(1);
        match above.find_map(|above| self.below.get_key_value(above)) {
            Some((above, class)) => listing(*class, Some(above.as_str())),
            None => listing(self.others, Some("*")),
        }
    }

    /// Why a name is looked up or not, in a sentence.
    pub fn reason(&self, lookup: Decision) -> String {
        match lookup.rule().and_then(|id| self.rule(id)) {
            Some(rule) => format!(
                "`{}` in {}.{} (line {})",
                rule.text, rule.section, rule.verdict, rule.line
            ),
            None if lookup.verdict() == Verdict::Deny => "no rule of net lists this name".to_owned(),
            None => "the default of net lets every name be looked up".to_owned(),
        }
    }

    /// The host rule with this number.
    pub fn rule(&self, id: RuleId) -> Option<&LoweredRule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Whether a rule allows or asks about this canonical address of a special range: one that names that range or a part of it.
    pub fn allows_special(&self, address: &[u8; 16]) -> bool {
        self.local.iter().any(|(prefix, length)| {
            let network = Network {
                prefix: *prefix,
                length: *length,
            };
            network.covers(address)
        })
    }
}

/// Host rules by what they match.
#[derive(Default)]
struct Rules<'policy> {
    exact: BTreeMap<&'policy str, Vec<(&'policy Rule, Ends)>>,
    below: BTreeMap<&'policy str, Vec<(&'policy Rule, Ends)>>,
    any: Vec<(&'policy Rule, Ends)>,
}

impl<'policy> Rules<'policy> {
    fn of(policy: &'policy Policy) -> Self {
        let mut rules = Self::default();
        for rule in &policy.rules {
            if let Pattern::Host(host) = &rule.pattern {
                let place = match &host.host {
                    HostPattern::Exact(name) => rules.exact.entry(name.as_str()).or_default(),
                    HostPattern::Below(above) => rules.below.entry(above.as_str()).or_default(),
                    HostPattern::Any => &mut rules.any,
                };
                place.push((rule, host.ends));
            }
        }
        rules
    }

    /// What matches every name below these, and the names themselves if `exact` is one.
    fn matching<'name>(
        &self,
        exact: Option<&str>,
        above: impl Iterator<Item = &'name str>,
    ) -> Vec<(&'policy Rule, Ends)> {
        let mut found = exact.and_then(|name| self.exact.get(name)).cloned().unwrap_or_default();
        found.extend(above.filter_map(|name| self.below.get(name)).flatten().copied());
        found.extend(self.any.iter().copied());
        found.sort_by_key(|(rule, _)| rule.id);
        found
    }
}

/// The classes found so far, by their rules.
struct Classes<'policy> {
    none: Decision,
    known: BTreeMap<Vec<RuleId>, HostClassId>,
    list: Vec<HostClass>,
    policy: &'policy Policy,
    limits: &'policy Limits,
}

impl Classes<'_> {
    fn add(&mut self, covering: &[(&Rule, Ends)]) -> Result<HostClassId, LowerError> {
        let rules: Vec<RuleId> = covering.iter().map(|(rule, _)| rule.id).collect();
        if let Some(id) = self.known.get(&rules) {
            return Ok(*id);
        }
        let ranges = ranges(covering, self.none);
        if ranges.len() > self.limits.max_ranges {
            return Err(LowerError {
                code: TOO_LARGE,
                message: format!("`{}` has too many port ranges for one host", self.policy.name),
                reason: format!("{} ranges, the limit is {}", ranges.len(), self.limits.max_ranges),
                hint: "put ports together as `:from-to`".to_owned(),
            });
        }
        let limit = self.limits.max_host_classes.min(HostClassId::LIMIT);
        let number = self.list.len();
        let id = u16::try_from(number).ok().filter(|_| number < limit);
        let id = HostClassId(id.ok_or_else(|| LowerError {
            code: TOO_LARGE,
            message: format!("`{}` names too many hosts", self.policy.name),
            reason: format!("more than {limit} that differ in what is decided"),
            hint: "put hosts together as `*.domain`".to_owned(),
        })?);
        let lookup = mildest(ranges.iter().flat_map(|range| [range.tcp, range.udp, range.other]));
        self.known.insert(rules.clone(), id);
        self.list.push(HostClass { rules, ranges, lookup });
        Ok(id)
    }
}

/// The first of the least strict, those of written rules before defaults.
pub(crate) fn mildest(decisions: impl Iterator<Item = Decision>) -> Decision {
    let key = |decision: &Decision| (decision.verdict(), !decision.explicit());
    decisions.min_by_key(key).unwrap_or_default()
}

fn hosts(policy: &Policy) -> impl Iterator<Item = &HostRule> {
    policy.rules.iter().filter_map(|rule| match &rule.pattern {
        Pattern::Host(host) => Some(host),
        _ => None,
    })
}

/// Makes the table, where a rule needs one.
pub(super) fn lower(policy: &Policy, limits: &Limits) -> Result<Option<HostTable>, LowerError> {
    let Some(dns) = policy.dns() else {
        return Ok(None);
    };
    let rules = Rules::of(policy);
    let mut classes = Classes {
        none: policy.defaults().net,
        known: BTreeMap::new(),
        list: Vec::new(),
        policy,
        limits,
    };
    let others = classes.add(&rules.matching(None, std::iter::empty()))?;
    let mut table = HostTable {
        dns,
        exact: BTreeMap::new(),
        below: BTreeMap::new(),
        others,
        lists_others: !rules.any.is_empty(),
        classes: Vec::new(),
        local: local(policy),
        rules: policy
            .rules
            .iter()
            .filter(|rule| rule.needs_resolver())
            .map(lower_rule)
            .collect(),
    };
    for host in hosts(policy) {
        match &host.host {
            HostPattern::Exact(name) => {
                let class = classes.add(&rules.matching(Some(name.as_str()), name.upwards().skip(1)))?;
                table.exact.insert(name.clone(), class);
            }
            HostPattern::Below(above) => {
                let class = classes.add(&rules.matching(None, above.upwards()))?;
                table.below.insert(above.clone(), class);
            }
            HostPattern::Any => {}
        }
    }
    table.classes = classes.list;
    Ok(Some(table))
}

fn local(policy: &Policy) -> Vec<([u8; 16], u8)> {
    let milder = policy.rules.iter().filter(|rule| rule.verdict < Verdict::Deny);
    let networks: BTreeSet<Network> = milder
        .filter_map(|rule| match &rule.pattern {
            Pattern::Net(net) => Some(&net.networks),
            _ => None,
        })
        .flatten()
        .filter(|network| is_special(network))
        .copied()
        .collect();
    networks
        .into_iter()
        .map(|network| (network.prefix, network.length))
        .collect()
}
