//! From what was seen to the narrowest policy that lets it happen again: written to be read, corrected and kept by a person.

mod paths;

use crate::action::{Action, ExecAction, ProgramKind, Protocol};
use crate::address::{canonical, destination};
use crate::check::{parse_action, parse_policy};
use crate::diagnostic::Diagnostics;
use crate::glob::escape;
use crate::host::HostName;
use crate::packs::pack;
use crate::policy::{Environment, Policy};
use crate::print::quote;
use crate::rule::Section;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Different actions that are taken in.
const MOST: usize = 100_000;
/// Names of one directory that stand one by one: of files, and of programs.
const FILES: usize = 8;
const PROGRAMS: usize = 64;
/// Ports of this host that stand one by one.
const OWN_PORTS: usize = 4;
/// Examples of each kind of action that are written as `expect` lines.
const EXAMPLES: usize = 3;
/// What no agent needs; each learned policy says so, and is checked for it.
const NEVER: [&str; 3] = [
    "read $home/.ssh/id_ed25519",
    "connect 169.254.169.254:80",
    "write /etc/passwd",
];

/// What was seen.
#[derive(Debug)]
pub struct Learning<'a> {
    environment: &'a Environment,
    seen: HashSet<Action>,
    /// Names that led to addresses.
    names: HashMap<SocketAddr, BTreeSet<HostName>>,
    /// Actions beyond [`MOST`].
    beyond: u64,
}

/// A policy that was learned.
#[derive(Debug)]
pub struct Learned {
    /// The document.
    pub text: String,
    /// What was seen and is denied by it, and why.
    pub left_out: Vec<(Action, String)>,
    /// Different actions it allows.
    pub allowed: usize,
}

impl<'a> Learning<'a> {
    /// Nothing was seen yet. `$work`, `$home` and `$run` of the policy stand for what the environment says.
    pub fn new(environment: &'a Environment) -> Self {
        Self {
            environment,
            seen: HashSet::new(),
            names: HashMap::new(),
            beyond: 0,
        }
    }

    /// An action that is to be allowed.
    pub fn see(&mut self, action: Action) {
        let action = match action {
            Action::ConnectBound {
                address,
                protocol,
                names,
            } => {
                self.names.entry(address).or_default().extend(names);
                Action::Connect { address, protocol }
            }
            // No rule is written about arguments.
            Action::Exec(exec) => Action::Exec(ExecAction {
                argv: exec.argv.into_iter().take(1).collect(),
                called_as: None,
                ..exec
            }),
            other => other,
        };
        if self.seen.len() < MOST || self.seen.contains(&action) {
            self.seen.insert(action);
        } else {
            self.beyond += 1;
        }
    }

    /// A name that led to an address, as what was said inside TLS has it.
    pub fn lead(&mut self, name: HostName, to: SocketAddr) {
        if self.names.len() < MOST {
            self.names.entry(to).or_default().insert(name);
        }
    }

    /// Actions that were too many to be taken in.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The policy. `name` is its name, `heading` is written above it, each line as a comment.
    ///
    /// # Errors
    /// What is wrong with the policy: with `name`, or with the environment.
    pub fn policy(&self, name: &str, heading: &str) -> Result<Learned, Diagnostics> {
        let named: Vec<Action> = self.seen.iter().map(|action| self.named(action)).collect();
        let (closed, open) = (self.parse(CLOSED)?, self.parse(OPEN)?);
        // Who acts for others is reached by who names it.
        let needs_rule = |action: &&Action| {
            let acts_for_others = matches!(action, Action::Unix { .. }) && !open.evaluate(action).verdict.passes();
            !acts_for_others && closed.evaluate(action).verdict != Verdict::Allow
        };
        let listed: Vec<Action> = named.iter().filter(needs_rule).cloned().collect();
        let policy = self.parse(&self.text(name, heading, &listed, &[]))?;
        let expects = self.expects(&policy, &listed);
        let text = self.text(name, heading, &listed, &expects);
        let policy = self.parse(&text)?;
        let verdicts = named.into_iter().map(|action| {
            let explanation = policy.explain(&action);
            (
                explanation.verdict.passes() || is_redirected(&policy, &action),
                action,
                explanation.reason,
            )
        });
        let (allowed, denied): (Vec<_>, Vec<_>) = verdicts.partition(|(passes, ..)| *passes);
        let mut left_out: Vec<(Action, String)> = denied.into_iter().map(|(_, action, why)| (action, why)).collect();
        left_out.sort_by_cached_key(|(action, _)| action.to_string());
        Ok(Learned {
            text,
            left_out,
            allowed: allowed.len(),
        })
    }

    fn parse(&self, text: &str) -> Result<Policy, Diagnostics> {
        parse_policy(text, "learned.yaml", self.environment)
    }

    /// A connection by the names that led there.
    fn named(&self, action: &Action) -> Action {
        match action {
            Action::Connect { address, protocol } => match self.names.get(address) {
                Some(names) => Action::ConnectBound {
                    address: *address,
                    protocol: *protocol,
                    names: names.iter().cloned().collect(),
                },
                None => action.clone(),
            },
            other => other.clone(),
        }
    }

    fn text(&self, name: &str, heading: &str, actions: &[Action], expects: &[String]) -> String {
        let mut out = String::new();
        for line in heading.lines() {
            let _ = writeln!(out, "# {line}");
        }
        let _ = writeln!(out, "policy: {}\nversion: 1\nmode: enforce", quote(name));
        if let Some(work) = self.environment.lets.get("work") {
            let _ = writeln!(out, "let: {{work: {}}}", quote(work));
        }
        let net = net(actions);
        let _ = write!(out, "\n{}", section("net", &net, ""));
        if !net.is_empty() {
            out += "  # Data inside TLS that no probe can read is not sent.\n  # blind: deny\n";
        }
        out += "\nfile:\n  read:\n";
        out += &allow(&self.files(actions, reads), "    ");
        out += "    deny:  # the secrets that the pack coding-agent names, whatever is allowed above\n";
        for secret in secrets() {
            let _ = writeln!(out, "      - {}", quote(&secret));
        }
        out += &section("write", &self.files(actions, writes), "  ");
        let _ = write!(out, "\n{}", section("exec", &self.programs(actions), ""));
        let models = models(actions);
        if !models.is_empty() {
            let _ = write!(out, "\n{}", section("model", &models, ""));
        }
        if !expects.is_empty() {
            out += "\nexpect:\n";
            for expect in expects {
                let _ = writeln!(out, "  - {}", quote(expect));
            }
        }
        out
    }

    fn places(&self) -> Vec<(&'static str, String)> {
        let work = self.environment.lets.get("work").map(|place| ("$work", place));
        let run = self.environment.run.as_ref().map(|place| ("$run", place));
        let home = self.environment.home.as_ref().map(|place| ("$home", place));
        let places = work.into_iter().chain(run).chain(home);
        let places = places.map(|(name, place)| (name, place.trim_end_matches('/').to_owned()));
        places.filter(|(_, place)| !place.is_empty()).collect()
    }

    fn files(&self, actions: &[Action], of: impl Fn(&Action) -> Vec<&[u8]>) -> BTreeSet<String> {
        paths::patterns(actions.iter().flat_map(of), &self.places(), FILES)
    }

    fn programs(&self, actions: &[Action]) -> BTreeSet<String> {
        let path = |action: &'_ Action| match action {
            Action::Exec(ExecAction {
                kind: ProgramKind::File | ProgramKind::Script,
                program,
                ..
            }) => Some(program.clone()),
            Action::Load { path } => Some(path.clone()),
            _ => None,
        };
        let all: Vec<Vec<u8>> = actions.iter().filter_map(path).collect();
        paths::patterns(all.iter().map(Vec::as_slice), &self.places(), PROGRAMS)
    }

    /// Some of what was seen, and what is never to be.
    fn expects(&self, policy: &Policy, actions: &[Action]) -> Vec<String> {
        let mut sorted: Vec<(&Action, String)> = actions.iter().map(|action| (action, action.to_string())).collect();
        sorted.sort_by(|(_, one), (_, other)| one.cmp(other));
        let mut of_kind: BTreeMap<String, usize> = BTreeMap::new();
        let mut expects = Vec::new();
        for (action, text) in sorted {
            let kind = text.split(' ').next().unwrap_or_default().to_owned();
            let same = parse_action(&text, policy, self.environment).is_ok_and(|parsed| parsed == *action);
            if same
                && policy.evaluate(action).verdict == Verdict::Allow
                && *of_kind.entry(kind.clone()).or_default() < EXAMPLES
            {
                *of_kind.entry(kind).or_default() += 1;
                expects.push(format!("{text} -> allow"));
            }
        }
        let denied = NEVER.iter().filter(|text| {
            parse_action(text, policy, self.environment)
                .is_ok_and(|action| policy.evaluate(&action).verdict == Verdict::Deny)
        });
        expects.extend(denied.map(|text| format!("{text} -> deny")));
        expects
    }
}

/// Allows all but what must be named.
const OPEN: &str = "policy: open\nversion: 1\ndefault: allow\nnet: {}\n";
/// Allows what comes with the language.
const CLOSED: &str = "policy: closed\nversion: 1\nnet: {}\nfile: {read: {}, write: {}}\nexec: {}\n";

/// A question to a name server, which goes to our resolver where the policy names hosts.
fn is_redirected(policy: &Policy, action: &Action) -> bool {
    policy.names_hosts() && is_to_name_server(action)
}

fn is_to_name_server(action: &Action) -> bool {
    matches!(action, Action::Connect { address, .. } | Action::ConnectBound { address, .. } if address.port() == 53)
}

/// An `allow` list; nothing if it is empty.
fn allow(entries: &BTreeSet<String>, indent: &str) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut out = format!("{indent}allow:\n");
    for entry in entries {
        let _ = writeln!(out, "{indent}  - {}", quote(entry));
    }
    out
}

/// A section with nothing but such a list.
fn section(key: &str, entries: &BTreeSet<String>, indent: &str) -> String {
    let list = allow(entries, &format!("{indent}  "));
    if list.is_empty() {
        format!("{indent}{key}: {{}}\n")
    } else {
        format!("{indent}{key}:\n{list}")
    }
}

/// What is denied whatever is allowed: as the pack has it.
fn secrets() -> Vec<String> {
    let environment = Environment {
        home: Some("/home".to_owned()),
        run: Some("/run".to_owned()),
        ..Environment::default()
    };
    let policy = pack("coding-agent").and_then(|text| parse_policy(text, "coding-agent", &environment).ok());
    let rules = policy.as_ref().map(Policy::rules).unwrap_or_default().iter();
    let denied =
        rules.filter(|rule| rule.section == Section::Read && rule.verdict == Verdict::Deny && rule.is_written());
    denied.map(|rule| rule.text.clone()).collect()
}

fn reads(action: &Action) -> Vec<&[u8]> {
    match action {
        Action::Read { path } | Action::ReadWrite { path } => vec![path],
        Action::Rename { old, .. } | Action::Link { old, .. } => vec![old],
        _ => Vec::new(),
    }
}

fn writes(action: &Action) -> Vec<&[u8]> {
    match action {
        Action::Write { path } | Action::ReadWrite { path } => vec![path],
        Action::Rename { old, new, .. } | Action::Link { old, new } => vec![old, new],
        _ => Vec::new(),
    }
}

fn models(actions: &[Action]) -> BTreeSet<String> {
    let name = |action: &Action| match action {
        Action::Model { name } => Some(escape(name)),
        _ => None,
    };
    actions.iter().filter_map(name).collect()
}

/// Hosts where names are known, else addresses; sockets by their paths.
fn net(actions: &[Action]) -> BTreeSet<String> {
    let hosts = actions
        .iter()
        .any(|action| matches!(action, Action::ConnectBound { .. }));
    let mut own = HashSet::new();
    let mut found = BTreeSet::new();
    for action in actions {
        match action {
            _ if hosts && is_to_name_server(action) => {}
            Action::ConnectBound {
                address,
                protocol,
                names,
            } => {
                found.extend(
                    names
                        .iter()
                        .map(|name| with_port(name.as_str(), address.port(), *protocol)),
                );
            }
            Action::Connect { address, protocol } | Action::Bind { address, protocol } => {
                let octets = match action {
                    Action::Bind { .. } => canonical(address.ip()),
                    _ => destination(*address),
                };
                let ip = Ipv6Addr::from(octets).to_canonical();
                if ip.is_loopback() {
                    own.insert((*protocol, address.port()));
                }
                found.insert(with_port(&in_brackets(ip), address.port(), *protocol));
            }
            Action::Unix { name } if !name.starts_with(b"@") => {
                found.extend(
                    paths::patterns([name.as_slice()], &[], FILES)
                        .iter()
                        .map(|path| format!("unix:{path}")),
                );
            }
            Action::Unix { name } => {
                found.insert(format!(
                    "unix:{}",
                    escape(&String::from_utf8_lossy(name)).replace('$', "\\$")
                ));
            }
            _ => {}
        }
    }
    // Servers of one's own tests have another port each time.
    if own.len() > OWN_PORTS {
        found.retain(|text| !text.starts_with("127.") && !text.starts_with("[::1]"));
        found.insert("loopback".to_owned());
    }
    if hosts {
        found.insert("dns".to_owned());
    }
    found
}

fn in_brackets(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn with_port(host: &str, port: u16, protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => format!("{host}:{port}/tcp"),
        Protocol::Udp => format!("{host}:{port}/udp"),
        Protocol::Other => host.to_owned(),
    }
}

#[cfg(test)]
mod tests;
