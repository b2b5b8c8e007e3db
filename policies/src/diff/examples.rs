//! The actions on which policies are compared.

use crate::action::{Action, ExecAction, ProgramKind, Protocol, base_name};
use crate::address::{Ends, NetPattern, Network};
use crate::expect::parse_action;
use crate::host::{HostName, HostRule};
use crate::names::Names;
use crate::policy::Policy;
use crate::privileges::Privilege;
use crate::rule::{Pattern, Rule, Section};
use crate::tool::ToolAction;
use crate::verdict::Verdict;
use crate::witness;
use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// At most so many: each is tried against every rule of both.
const MOST: usize = 20_000;
/// What stands for wildcards: as many as a witness has to choose from.
const FILLERS: usize = 5;
/// Of a pattern's alternatives, programs or networks at most so many.
const ALTERNATIVES: usize = 64;
/// A port that policies do not name.
const UNNAMED_PORT: u16 = 47_001;

/// Each once: what rules are about, what `expect` lines name, what nothing names, and what lies where rules of two kinds meet.
pub(super) fn of(policies: [&Policy; 2]) -> Vec<Action> {
    let rules = || policies.into_iter().flat_map(|policy| policy.rules.iter());
    let expected = policies.into_iter().flat_map(|policy| policy.expects.iter());
    let expected = expected.map(|expect| expect.place().0.clone());
    let mut seen = HashSet::new();
    let all = expected.chain(unnamed()).chain(rules().flat_map(of_rule));
    all.chain(meeting(&rules))
        .map(|action| action.to_string())
        .filter(|text| seen.insert(text.clone()))
        // A witness may be no resolved path, such as `/proc//environ`: nothing ever has that name.
        .filter_map(|text| parse_action(&text, &Names::default()).ok())
        .take(MOST)
        .collect()
}

/// Witnesses of a rule: every alternative, with wildcards filled in each way.
fn witnesses(rule: &Rule) -> Vec<Action> {
    let mut actions = Vec::new();
    for filler in 0..FILLERS {
        let mut alternatives = 1;
        let mut at = 0;
        while at < alternatives {
            let mut chosen = false;
            actions.push(witness::action(rule, &mut |limit| {
                let choice = if chosen { filler } else { at };
                if !chosen {
                    alternatives = limit.min(ALTERNATIVES);
                }
                chosen = true;
                choice.min(limit.saturating_sub(1))
            }));
            at += 1;
        }
    }
    actions
}

fn of_rule(rule: &Rule) -> Vec<Action> {
    match &rule.pattern {
        // No actions: see settings.rs.
        Pattern::Rate(_)
        | Pattern::Hours(_)
        | Pattern::Data(_)
        | Pattern::Vault(_)
        | Pattern::Blind
        | Pattern::Spend(_)
        | Pattern::Label { .. } => Vec::new(),
        Pattern::Net(net) => of_addresses(net),
        Pattern::Host(host) => of_host(host),
        Pattern::Path(_) if rule.section == Section::Exec => {
            let witnesses = witnesses(rule);
            let loaded = witnesses.iter().filter_map(loaded);
            loaded.chain(witnesses.clone()).collect()
        }
        // A name is decided on where programs lie.
        Pattern::Name { .. } => {
            let usual = |action: Action| match action {
                Action::Exec(exec) => program(&[b"/usr/bin/", base_name(&exec.program)].concat(), &[]),
                other => other,
            };
            let witnesses = witnesses(rule);
            witnesses.iter().cloned().map(usual).chain(witnesses.clone()).collect()
        }
        Pattern::Argv(pattern) => {
            let witnesses = witnesses(rule);
            let longer = witnesses.iter().filter(|_| pattern.open).cloned().map(with_argument);
            witnesses.iter().cloned().chain(longer).collect()
        }
        _ => witnesses(rule),
    }
}

/// The same file, mapped as code: paths under `exec` decide both.
fn loaded(action: &Action) -> Option<Action> {
    match action {
        Action::Exec(exec) => Some(Action::Load {
            path: exec.program.clone(),
        }),
        _ => None,
    }
}

fn with_argument(mut action: Action) -> Action {
    if let Action::Exec(exec) = &mut action {
        exec.argv.push(b"x".to_vec());
    }
    action
}

fn program(path: &[u8], arguments: &[&[u8]]) -> Action {
    let argv = std::iter::once(&path).chain(arguments).map(|word| word.to_vec());
    Action::Exec(ExecAction {
        program: path.to_vec(),
        called_as: None,
        argv: argv.collect(),
        kind: ProgramKind::File,
        content: None,
    })
}

/// The ports and protocols at the ends of what a rule names, or one it does not.
fn transports(ends: Ends) -> Vec<(u16, Protocol)> {
    let ports = ends.ports.map_or([443, UNNAMED_PORT], |(first, last)| [first, last]);
    let protocols = match ends.protocol {
        Some(own) => vec![own],
        None => vec![Protocol::Tcp, Protocol::Udp],
    };
    let of_port = |port| protocols.iter().map(move |protocol| (port, *protocol));
    ports.into_iter().flat_map(of_port).collect()
}

/// An address somewhere within a network: at its beginning `0.0.0.0/0` is this host.
fn within(network: &Network) -> [u8; 16] {
    let prefix = Ipv6Addr::from(network.prefix);
    let sample = match prefix.to_ipv4_mapped() {
        Some(_) => Ipv4Addr::new(198, 51, 100, 7).to_ipv6_mapped(),
        None => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7),
    };
    let mask = u128::MAX
        .checked_shl(128 - u32::from(network.length.min(128)))
        .unwrap_or(0);
    (prefix.to_bits() | sample.to_bits() & !mask).to_be_bytes()
}

fn of_addresses(net: &NetPattern) -> Vec<Action> {
    let mut actions = Vec::new();
    for network in net.networks.iter().take(ALTERNATIVES) {
        for octets in [within(network), network.prefix] {
            let ip = Ipv6Addr::from(octets);
            let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
            for (port, protocol) in transports(net.ends) {
                let address = SocketAddr::new(ip, port);
                if !ip.is_unspecified() {
                    actions.push(Action::Connect { address, protocol });
                }
                if ip.is_unspecified() || ip.is_loopback() {
                    actions.push(Action::Bind { address, protocol });
                }
            }
        }
    }
    actions
}

fn of_host(rule: &HostRule) -> Vec<Action> {
    let host = rule.host.example();
    let connects = transports(rule.ends)
        .into_iter()
        .map(|(port, protocol)| Action::ConnectHost {
            host: host.clone(),
            port,
            protocol,
        });
    let lookup = Action::Lookup { host: host.clone() };
    connects.chain([lookup]).collect()
}

/// What defaults decide, unless some rule is about everything.
fn unnamed() -> Vec<Action> {
    let path = || b"/elsewhere/unnamed".to_vec();
    let mut actions = vec![
        Action::Read { path: path() },
        Action::Write { path: path() },
        program(&path(), &[]),
        program(b"/usr/bin/unnamed", &[]),
        Action::Load { path: path() },
        Action::Unix {
            name: b"/run/unnamed.sock".to_vec(),
        },
        Action::Unix {
            name: b"@unnamed".to_vec(),
        },
        Action::Bind {
            address: SocketAddr::from(([0, 0, 0, 0], UNNAMED_PORT)),
            protocol: Protocol::Tcp,
        },
        Action::Model {
            name: "unnamed-model".to_owned(),
        },
        Action::Tool(ToolAction {
            name: "unnamed_tool".to_owned(),
            arguments: None,
        }),
    ];
    let addresses = [
        IpAddr::from([192, 0, 2, 1]),
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
    ];
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        actions.extend(addresses.map(|ip| Action::Connect {
            address: SocketAddr::new(ip, UNNAMED_PORT),
            protocol,
        }));
    }
    if let Ok(host) = HostName::parse("unnamed.example") {
        actions.push(Action::ConnectHost {
            host: host.clone(),
            port: UNNAMED_PORT,
            protocol: Protocol::Tcp,
        });
        actions.push(Action::Lookup { host });
    }
    actions.extend(Privilege::ALL.map(|privilege| Action::Use { privilege }));
    for kind in [ProgramKind::Memfd, ProgramKind::Deleted] {
        if let Action::Exec(exec) = program(&path(), &[]) {
            actions.push(Action::Exec(ExecAction { kind, ..exec }));
        }
    }
    actions
}

/// Names at any depth (`**/.env`) within the directories that other rules of the section are about: what only one of two policies
/// takes out of a directory differs there, and nowhere else.
fn meeting<'rules, Rules>(rules: &impl Fn() -> Rules) -> Vec<Action>
where
    Rules: Iterator<Item = &'rules Rule>,
{
    let mut actions = Vec::new();
    for section in [Section::Read, Section::Write, Section::Exec] {
        let of_section = || rules().filter(move |rule| rule.section == section);
        let anywhere = |rule: &&Rule| rule.path().is_some_and(|path| path.text.starts_with("**/"));
        let below =
            |rule: &&Rule| rule.verdict == Verdict::Allow && rule.path().is_some_and(|path| path.text.ends_with("/**"));
        let directories: BTreeSet<Vec<u8>> = of_section()
            .filter(|rule| below(rule) && !anywhere(rule))
            .filter_map(shortest)
            .collect();
        for rule in of_section().filter(anywhere) {
            let Some(name) = shortest(rule) else { continue };
            let paths = directories.iter().map(|directory| match directory.as_slice() {
                b"/" => name.clone(),
                directory => [directory, &name].concat(),
            });
            actions.extend(paths.map(|path| match section {
                Section::Read => Action::Read { path },
                Section::Write => Action::Write { path },
                _ => program(&path, &[]),
            }));
        }
    }
    actions
}

/// The shortest path a rule matches.
fn shortest(rule: &Rule) -> Option<Vec<u8>> {
    rule.path().map(|pattern| witness::path(pattern, &mut |_| 0))
}
