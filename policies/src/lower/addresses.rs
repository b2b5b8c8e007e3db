//! Addresses: for every prefix a rule names, the final decision by port.

use super::{Limits, LowerError, TOO_LARGE};
use crate::action::Protocol;
use crate::address::{ANY_V4, ANY_V6, Ends, FAMILIES, NetPattern, Network, masked};
use crate::policy::Policy;
use crate::rule::{Pattern, Rule};
use crate::verdict::Decision;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

/// The decisions from a port up to the next range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// The first port.
    pub from: u16,
    /// For TCP.
    pub tcp: Decision,
    /// For UDP.
    pub udp: Decision,
    /// For everything without ports.
    pub other: Decision,
}

impl PortRange {
    /// The decision for a protocol.
    pub fn decision(&self, protocol: Protocol) -> Decision {
        match protocol {
            Protocol::Tcp => self.tcp,
            Protocol::Udp => self.udp,
            Protocol::Other => self.other,
        }
    }

    fn same(&self, other: &Self) -> bool {
        (self.tcp, self.udp, self.other) == (other.tcp, other.udp, other.other)
    }
}

/// A prefix and its ranges, the first from port 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressEntry {
    /// The canonical address, IPv4 as `::ffff:a.b.c.d`.
    pub prefix: [u8; 16],
    /// How many bits of it count.
    pub prefix_len: u8,
    /// By first port, rising.
    pub ranges: Vec<PortRange>,
}

/// Makes the entries, in the order of prefix and length.
pub(super) fn lower(policy: &Policy, limits: &Limits) -> Result<Vec<AddressEntry>, LowerError> {
    let mut rules: BTreeMap<Network, Vec<(&Rule, &NetPattern)>> = BTreeMap::new();
    for rule in &policy.rules {
        if let Pattern::Net(net) = &rule.pattern {
            for network in &net.networks {
                rules.entry(*network).or_default().push((rule, net));
            }
        }
    }
    let lengths: BTreeSet<u8> = rules.keys().map(|network| network.length).collect();
    let mut prefixes: BTreeSet<Network> = rules.keys().copied().collect();
    prefixes.extend(FAMILIES);
    prefixes.extend([ANY_V4, ANY_V6].map(|prefix| Network { prefix, length: 128 }));
    if prefixes.len() > limits.max_address_entries {
        return Err(LowerError {
            code: TOO_LARGE,
            message: format!("`{}` names too many addresses", policy.name),
            reason: format!(
                "{} different prefixes, the limit is {}",
                prefixes.len(),
                limits.max_address_entries
            ),
            hint: "put neighbouring addresses together as CIDRs".to_owned(),
        });
    }
    let none = policy.defaults().net;
    let mut entries = Vec::with_capacity(prefixes.len());
    for network in prefixes {
        let covering: Vec<_> = lengths
            .range(..=network.length)
            .filter_map(|length| {
                rules.get(&Network {
                    prefix: masked(&network.prefix, *length),
                    length: *length,
                })
            })
            .flatten()
            .filter(|(_, net)| net.networks.iter().any(|wider| covers(wider, &network)))
            .map(|(rule, net)| (*rule, net.ends))
            .collect();
        let ranges = ranges(&covering, none);
        if ranges.len() > limits.max_ranges {
            let address = Ipv6Addr::from(network.prefix);
            return Err(LowerError {
                code: TOO_LARGE,
                message: format!(
                    "`{}` has too many port ranges for {address}/{}",
                    policy.name, network.length
                ),
                reason: format!("{} ranges, the limit is {}", ranges.len(), limits.max_ranges),
                hint: "put ports together as `:from-to`".to_owned(),
            });
        }
        entries.push(AddressEntry {
            prefix: network.prefix,
            prefix_len: network.length,
            ranges,
        });
    }
    Ok(entries)
}

/// Whether a rule on one network speaks about the addresses of another, as [`Network::covers`] does about one address.
fn covers(wider: &Network, network: &Network) -> bool {
    if network.length == 128 {
        return wider.covers(&network.prefix);
    }
    wider.holds(network)
}

/// What rules that hold for the same addresses or hosts decide, by port; `none` where none of them speaks.
pub(super) fn ranges(covering: &[(&Rule, Ends)], none: Decision) -> Vec<PortRange> {
    let mut starts = BTreeSet::from([0]);
    for (_, ends) in covering {
        if let Some((first, last)) = ends.ports {
            starts.insert(first);
            starts.extend(last.checked_add(1));
        }
    }
    let best = |port: u16, protocol: Protocol| {
        let matching = || covering.iter().filter(|(_, ends)| ends.matches(port, protocol));
        let of_connection = matching().filter(|(rule, _)| rule.counts_at_connect());
        let best = of_connection.max_by_key(|(rule, _)| rule.rank);
        best.map_or(none, |(rule, _)| rule.decision())
            .judging_requests(matching().any(|(rule, _)| rule.when.is_some()))
    };
    let mut ranges: Vec<PortRange> = starts
        .into_iter()
        .map(|from| PortRange {
            from,
            tcp: best(from, Protocol::Tcp),
            udp: best(from, Protocol::Udp),
            other: best(0, Protocol::Other),
        })
        .collect();
    ranges.dedup_by(|later, earlier| later.same(earlier));
    ranges
}
