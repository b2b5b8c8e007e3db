//! Inputs that a rule matches, made from its pattern.

use crate::action::{Action, ExecAction, ProgramKind, Protocol};
use crate::address::NetPattern;
use crate::argv::{ArgvPattern, Word, WordPiece};
use crate::content::ContentHash;
use crate::glob::{PathPattern, Piece};
use crate::judge::RESOLVER_PORT;
use crate::labels::CarriedKind;
use crate::rule::{Pattern, Rule, Section};
use crate::tool::ToolAction;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Chooses a number below the one given; a constant 0 gives the shortest witness.
pub(crate) type Choose<'a> = &'a mut dyn FnMut(usize) -> usize;

const COMPONENTS: [&[u8]; 5] = [b"", b"q", b"sub/q", b".x", b"git"];

/// A path (or `@name`) the pattern matches.
pub(crate) fn path(pattern: &PathPattern, choose: Choose<'_>) -> Vec<u8> {
    let alternative = choose(pattern.alternatives.len());
    let Some(pieces) = pattern.alternatives.get(alternative) else {
        return Vec::new();
    };
    let mut result = Vec::new();
    for piece in pieces {
        let filler: &[u8] = COMPONENTS.get(choose(COMPONENTS.len())).copied().unwrap_or_default();
        match piece {
            Piece::Byte(byte) => result.push(*byte),
            Piece::AnyByte => result.push(b'z'),
            Piece::Class(set) => {
                let members: Vec<u8> = (0..=u8::MAX).filter(|byte| set.has(*byte)).collect();
                result.extend(members.get(choose(members.len())));
            }
            Piece::Star => result.extend(filler.iter().filter(|byte| **byte != b'/')),
            Piece::Any => result.extend_from_slice(filler),
            Piece::Deep => {
                result.push(b'/');
                if !filler.is_empty() {
                    result.extend_from_slice(filler);
                    result.push(b'/');
                }
            }
            Piece::Below => {
                if !filler.is_empty() {
                    result.push(b'/');
                    result.extend_from_slice(filler);
                }
            }
        }
    }
    if result.is_empty() { b"/".to_vec() } else { result }
}

fn word(word: &Word, choose: Choose<'_>) -> Vec<u8> {
    let mut result = Vec::new();
    for piece in &word.0 {
        match piece {
            WordPiece::Byte(byte) => result.push(*byte),
            WordPiece::AnyByte => result.push(b'z'),
            WordPiece::Star => {
                result.extend_from_slice(COMPONENTS.get(choose(COMPONENTS.len())).copied().unwrap_or_default());
            }
        }
    }
    result
}

/// A program name and arguments the pattern matches.
pub(crate) fn argv(pattern: &ArgvPattern, choose: Choose<'_>) -> (Vec<u8>, Vec<Vec<u8>>) {
    let chosen = choose(pattern.programs.len());
    let name = pattern
        .programs
        .get(chosen)
        .map(|program| word(program, choose))
        .unwrap_or_default();
    (name, pattern.words.iter().map(|one| word(one, choose)).collect())
}

fn exec(program: Vec<u8>, arguments: Vec<Vec<u8>>, kind: ProgramKind) -> Action {
    let argv = std::iter::once(program.clone()).chain(arguments).collect();
    Action::Exec(ExecAction {
        program,
        called_as: None,
        argv,
        kind,
        content: None,
    })
}

/// A program that only what is in it tells.
fn exec_of(content: ContentHash) -> Action {
    Action::Exec(ExecAction {
        program: b"/program".to_vec(),
        called_as: None,
        argv: vec![b"/program".to_vec()],
        kind: ProgramKind::File,
        content: Some(content),
    })
}

/// What is taken from carriers of labels, at its plainest.
fn taken(kind: CarriedKind) -> Action {
    match kind {
        CarriedKind::Net => Action::Connect {
            address: SocketAddr::from(([192, 0, 2, 1], 443)),
            protocol: Protocol::Tcp,
        },
        CarriedKind::Exec => exec(b"/usr/bin/true".to_vec(), Vec::new(), ProgramKind::File),
        CarriedKind::Write => Action::Write {
            path: b"/srv/file".to_vec(),
        },
    }
}

/// An end that the pattern matches.
fn end(net: &NetPattern, choose: Choose<'_>) -> Action {
    let chosen = choose(net.networks.len());
    let prefix = net
        .networks
        .get(chosen)
        .map(|network| network.prefix)
        .unwrap_or_default();
    let ip = Ipv6Addr::from(prefix);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    let port = net.ends.ports.map_or(443, |(first, _)| first);
    let address = SocketAddr::new(ip, port);
    let protocol = net.ends.protocol.unwrap_or(Protocol::Tcp);
    if crate::address::is_unspecified(&prefix) && net.specificity().0 == 128 {
        Action::Bind { address, protocol }
    } else {
        Action::Connect { address, protocol }
    }
}

/// An action of the rule's own kind that it matches (though another may win).
pub(crate) fn action(rule: &Rule, choose: Choose<'_>) -> Action {
    match &rule.pattern {
        Pattern::Path(pattern) => {
            let path = path(pattern, choose);
            match rule.section {
                Section::Write => Action::Write { path },
                Section::Load => Action::Load { path },
                Section::Exec => exec(path, Vec::new(), ProgramKind::File),
                Section::Read
                | Section::Net
                | Section::Rate
                | Section::Hours
                | Section::Label
                | Section::Carried
                | Section::Block
                | Section::Redact
                | Section::Blind
                | Section::Model
                | Section::Tool
                | Section::Spend
                | Section::Privileges => Action::Read { path },
            }
        }
        Pattern::Name { path: pattern, .. } => exec(path(pattern, choose), Vec::new(), ProgramKind::File),
        Pattern::Interpreter(pattern) => Action::Load {
            path: path(pattern, choose),
        },
        Pattern::Argv(pattern) => {
            let (name, arguments) = argv(pattern, choose);
            exec([b"/usr/bin/".as_slice(), &name].concat(), arguments, ProgramKind::File)
        }
        Pattern::Label { path: pattern, .. } => Action::Read {
            path: path(pattern, choose),
        },
        Pattern::Carried { label, kind } => Action::Carrying {
            labels: vec![label.clone()],
            action: Box::new(taken(*kind)),
        },
        // What is said is no action: it is said over a connection.
        Pattern::Data(_) | Pattern::Vault(_) | Pattern::Blind | Pattern::Spend(_) => taken(CarriedKind::Net),
        Pattern::Model(model) => Action::Model { name: model.example() },
        Pattern::Tool(tool) => Action::Tool(ToolAction {
            name: tool.example(),
            arguments: None,
        }),
        Pattern::Privilege(privilege) => Action::Use { privilege: *privilege },
        Pattern::Content(content) => exec_of(*content),
        Pattern::Memfd => exec(b"/memfd".to_vec(), Vec::new(), ProgramKind::Memfd),
        Pattern::Deleted => exec(b"/deleted".to_vec(), Vec::new(), ProgramKind::Deleted),
        Pattern::Unix(pattern) => Action::Unix {
            name: path(pattern, choose),
        },
        Pattern::Host(host) => Action::ConnectHost {
            host: host.host.example(),
            port: host.ends.ports.map_or(443, |(first, _)| first),
            protocol: host.ends.protocol.unwrap_or(Protocol::Tcp),
        },
        // They are about whatever is done.
        Pattern::Rate(_) | Pattern::Hours(_) | Pattern::AnyRequest => Action::Read { path: b"/".to_vec() },
        Pattern::Dns => Action::Connect {
            address: SocketAddr::from(([192, 0, 2, 53], RESOLVER_PORT)),
            protocol: Protocol::Udp,
        },
        Pattern::Net(net) => end(net, choose),
    }
}
