//! Hosts among the patterns, and connections to them: by name, and by addresses bound to one or more names.

use super::{Random, address_action, ends, net_pattern};
use crate::action::Action;
use crate::host::HostName;
use crate::rule::{Pattern, Rule};

const NAMES: &[&str] = &[
    "a.example",
    "b.example",
    "x.a.example",
    "y.x.a.example",
    "A.Example.",
    "ab.example",
    "example",
    "other.test",
];

pub(super) fn end_pattern(random: &mut Random, verdict: &str) -> String {
    match random.below(10) {
        0 if verdict != "ask" => "dns".to_owned(),
        1 if verdict == "allow" => format!("*{}", ends(random)),
        1..=4 => format!("{}{}", random.word(NAMES), ends(random)),
        5 | 6 => format!("*.{}{}", random.word(NAMES), ends(random)),
        _ => net_pattern(random, verdict),
    }
}

fn name(random: &mut Random, rules: &[&Rule]) -> Option<HostName> {
    let hosts: Vec<&Rule> = rules
        .iter()
        .copied()
        .filter(|rule| matches!(rule.pattern, Pattern::Host(_)))
        .collect();
    let written = match random.pick(&hosts).map(|rule| &rule.pattern) {
        Some(Pattern::Host(host)) if random.one_in(2) => host.host.example().to_string(),
        _ => random.word(NAMES).to_owned(),
    };
    HostName::parse(&match random.below(5) {
        0 => format!("q.{written}"),
        1 => format!("q{written}"),
        2 => written.split_once('.').map_or("q", |(_, above)| above).to_owned(),
        _ => written,
    })
    .ok()
}

/// What [`address_action`] does, and the same by name.
pub(super) fn action(random: &mut Random, rules: &[&Rule]) -> Action {
    let by_address = address_action(random, rules);
    let Action::Connect { address, protocol } = by_address else {
        return by_address;
    };
    let names: Vec<HostName> = (0..=random.below(3)).filter_map(|_| name(random, rules)).collect();
    let port = match random.below(8) {
        0 => 53,
        1..=3 => [0, 99, 100, 200, 300].get(random.below(5)).copied().unwrap_or_default(),
        _ => address.port(),
    };
    match (names.first(), random.below(5)) {
        (None, _) | (_, 0) => by_address,
        (Some(host), 1) => Action::Lookup { host: host.clone() },
        (Some(host), 2) => Action::ConnectHost {
            host: host.clone(),
            port,
            protocol,
        },
        _ => Action::ConnectBound {
            address: (address.ip(), port).into(),
            protocol,
            names,
        },
    }
}
