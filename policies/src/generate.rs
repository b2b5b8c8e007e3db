//! Random policies, and actions close to their rules: what the differential test in the VM runs. The same seed gives the same test.

use crate::action::{Action, ExecAction, ProgramKind, Protocol};
use crate::argv::options_of;
use crate::content::ContentHash;
use crate::data::DATA_CLASSES;
use crate::glob::PathPattern;
use crate::policy::Policy;
use crate::print::quote;
use crate::privileges::Privilege;
use crate::rule::{Pattern, Rule, RuleKind, Section};
use crate::witness;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

mod hosts;

/// xorshift64*
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03 | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % limit.max(1)
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn pick<'list, T: ?Sized>(&mut self, list: &[&'list T]) -> Option<&'list T> {
        let place = self.below(list.len());
        list.get(place).copied()
    }

    fn word(&mut self, list: &[&'static str]) -> &'static str {
        self.pick(list).unwrap_or("x")
    }
}

const PARTS: &[&str] = &[
    "a", "b", "ab", "src", "work", "git", ".git", ".env", "key.pem", "hooks", "bin", "tmp", "lib", "x86", "id_rsa",
    "q", "sub",
];
const PATTERN_PARTS: &[&str] = &[
    "*",
    "*",
    "**",
    "**",
    "?",
    "a*",
    "*.pem",
    ".e?v",
    "[a-c]",
    "[!a]*",
    "{a,b}",
    "{src,lib}*",
    "a**b",
    "*git*",
    "???",
    "id_*",
];
const PROGRAMS: &[&str] = &[
    "git", "npm", "docker", "cargo", "sudo", "kubectl", "frob", "rm", "python3*", "a?c",
];
const MODELS: &[&str] = &["claude-*", "\"*-preview\"", "gpt-?", "GPT-5", "\"*\""];
const ARGUMENTS: &[&str] = &[
    "push", "publish", "run", "-rf", "--force", "status", "*", "p*", "apply", "x",
];

/// A policy as YAML text that parses with an empty environment. It names no hosts: every kernel can enforce it.
pub fn random_policy(seed: u64) -> String {
    random_text(seed, net_pattern)
}

/// The same with labels.
pub fn random_policy_with_labels(seed: u64) -> String {
    let mut random = Random::new(seed ^ 0x1abe1);
    let mut text = random_policy(seed);
    let mut label = String::from("  label:\n");
    let mut data = String::from("data:\n  from:\n");
    for name in ["a", "secret", "z"] {
        let patterns: Vec<String> = (0..=random.below(3))
            .map(|_| quote(&path_pattern(&mut random, "")))
            .collect();
        let _ = writeln!(label, "    {name}: [{}]", patterns.join(", "));
        let kinds = random.word(&["net", "net, exec", "file.write", "exec", "net, file.write, exec"]);
        let _ = writeln!(data, "    {name}: {{{}: [{kinds}]}}", random.word(&["ask", "deny"]));
    }
    match text.find("file:\n") {
        Some(place) => text.insert_str(place + "file:\n".len(), &label),
        None => {
            let _ = write!(text, "file:\n{label}");
        }
    }
    text + &data
}

/// The same with labels, classes of data that are not sent, models, and now and then what nobody reads.
pub fn random_policy_with_data(seed: u64) -> String {
    let mut random = Random::new(seed ^ 0xda7a);
    let classes: Vec<&str> = (0..random.below(4)).map(|_| random.word(&DATA_CLASSES)).collect();
    let mut text = random_policy_with_labels(seed);
    if let (Some(place), true) = (text.find("net:\n"), random.below(2) == 0) {
        text.insert_str(place + "net:\n".len(), "  blind: deny\n");
    }
    let models: Vec<&str> = (0..random.below(3)).map(|_| random.word(MODELS)).collect();
    let data = if random.one_in(2) { "block" } else { "redact" };
    text + &format!(
        "  {data}: [{}]\nmodel: {{{}: [{}]}}\n",
        classes.join(", "),
        random.word(&["allow", "deny"]),
        models.join(", ")
    )
}

/// The same with host names and `dns`.
pub fn random_policy_with_hosts(seed: u64) -> String {
    random_text(seed, hosts::end_pattern)
}

fn random_text(seed: u64, net_pattern: fn(&mut Random, &str) -> String) -> String {
    let mut random = Random::new(seed);
    let mut text = format!(
        "policy: random-{seed}\nversion: {}\nlet: {{work: /srv/work}}\n",
        1 + random.below(9)
    );
    if random.one_in(4) {
        let _ = writeln!(text, "default: {}", random.word(&["allow", "deny"]));
    }
    let size = 1 + random.below(8);
    if !random.one_in(6) {
        section(&mut text, &mut random, "net", "", size, net_pattern);
    }
    let read = !random.one_in(6);
    let write = !random.one_in(6);
    if read || write {
        text.push_str("file:\n");
    }
    if read {
        section(&mut text, &mut random, "read", "  ", size, path_pattern);
    }
    if write {
        section(&mut text, &mut random, "write", "  ", size, path_pattern);
    }
    if !random.one_in(6) {
        section(&mut text, &mut random, "exec", "", size, exec_pattern);
    }
    if random.one_in(3) {
        let listed = Privilege::ALL.map(|privilege| (privilege, random.word(&["allow", "deny", "kill"])));
        text.push_str("privileges:\n");
        for verdict in ["allow", "deny", "kill"] {
            let words: Vec<&str> = listed
                .iter()
                .filter(|(_, own)| *own == verdict)
                .map(|(privilege, _)| privilege.word())
                .collect();
            let _ = writeln!(text, "  {verdict}: [{}]", words.join(", "));
        }
    }
    text
}

fn section(
    text: &mut String,
    random: &mut Random,
    name: &str,
    indent: &str,
    size: usize,
    pattern: fn(&mut Random, &str) -> String,
) {
    let _ = writeln!(text, "{indent}{name}:");
    for verdict in ["allow", "ask", "deny"] {
        let patterns: Vec<String> = (0..random.below(size + 1))
            .map(|_| quote(&pattern(random, verdict)))
            .collect();
        let _ = writeln!(text, "{indent}  {verdict}: [{}]", patterns.join(", "));
    }
    if random.one_in(3) {
        let _ = writeln!(text, "{indent}  default: {}", random.word(&["allow", "ask", "deny"]));
    }
}

fn path_pattern(random: &mut Random, _: &str) -> String {
    let mut text = match random.below(8) {
        0 => return (random.word(&["/**", "**", "/*", "/dev/**", "/dev/null", "$work/**"])).to_owned(),
        1 | 2 => "**".to_owned(),
        3 => "$work".to_owned(),
        _ => String::new(),
    };
    for _ in 0..=random.below(3) {
        let part = if random.one_in(3) {
            random.word(PATTERN_PARTS)
        } else {
            random.word(PARTS)
        };
        let _ = write!(text, "/{part}");
    }
    if random.one_in(3) {
        text.push_str("/**");
    }
    text
}

/// One of few, so that rules and programs meet.
fn content(random: &mut Random) -> ContentHash {
    let [low, ..] = random.below(4).to_le_bytes();
    ContentHash([low; 32])
}

fn exec_pattern(random: &mut Random, verdict: &str) -> String {
    match random.below(10) {
        0 => random.word(&["memfd", "deleted"]).to_owned(),
        1 | 2 => random.word(PROGRAMS).to_owned(),
        3 => format!("interpreter:{}", path_pattern(random, verdict)),
        4..=6 => {
            let mut text = random.word(PROGRAMS).to_owned();
            let words = random.below(3);
            for _ in 0..words {
                let _ = write!(text, " {}", random.word(ARGUMENTS));
            }
            if words == 0 || random.one_in(2) {
                text.push_str(" ...");
            }
            text
        }
        7 if random.one_in(3) => content(random).to_string(),
        7 => format!("/usr/bin/{}", random.word(&["git", "npm", "*", "**", "sudo", "g*"])),
        _ => path_pattern(random, verdict),
    }
}

fn net_pattern(random: &mut Random, verdict: &str) -> String {
    let network = match random.below(8) {
        0 if random.one_in(2) => {
            let sockets = [
                "/run/**",
                "/run/docker.sock",
                "/run/user/*/bus",
                "/tmp/tmux-*/**",
                "/run/**/docker.sock",
            ];
            return format!("unix:{}", random.word(&sockets));
        }
        0 => return format!("unix:{}", path_pattern(random, verdict)),
        1 => return format!("unix:@{}", random.word(&["a", "a*", "**", "x/[a-c]", "?b"])),
        2 => "loopback".to_owned(),
        3 => random
            .word(&[
                "0.0.0.0",
                "[::]",
                "0.0.0.0/0",
                "[::]/0",
                "0.0.0.0/8",
                "[::]/64",
                "[::1]",
            ])
            .to_owned(),
        4 => random
            .word(&[
                "[2001:db8::]/32",
                "[2001:db8::1]",
                "[fe80::]/10",
                "[64:ff9b::a00:1]",
                "[::ffff:10.0.0.9]",
            ])
            .to_owned(),
        5 => format!("10.{}.0.0/16", random.below(3)),
        6 => random
            .word(&["10.0.0.0/8", "10.0.0.0/30", "127.0.0.0/8", "127.0.0.1"])
            .to_owned(),
        _ => format!("10.{}.0.{}", random.below(3), random.below(4)),
    };
    network + &ends(random)
}

fn ends(random: &mut Random) -> String {
    let first = random.below(5) * 100;
    let port = match random.below(4) {
        0 => format!(":{first}"),
        1 => format!(":{first}-{}", first + random.below(300)),
        2 => ":443".to_owned(),
        _ => String::new(),
    };
    format!("{port}{}", random.word(&["", "", "/tcp", "/udp"]))
}

/// Actions near the policy's rules: what they match, siblings of that, one byte off, the same address in another form.
pub fn random_actions(seed: u64, policy: &Policy, n: usize) -> Vec<Action> {
    let mut random = Random::new(seed ^ 0x5eed);
    // Not those that are the same in every policy: they would outnumber its own.
    let rules: Vec<&Rule> = policy
        .rules()
        .iter()
        .filter(|rule| rule.kind != RuleKind::Deputy)
        .collect();
    let mut actions: Vec<Action> = (0..n).map(|_| random_action(&mut random, &rules)).collect();
    if policy.labels().is_empty() {
        return actions;
    }
    for action in &mut actions {
        let labels: Vec<String> = policy.labels().iter().filter(|_| random.one_in(3)).cloned().collect();
        if !labels.is_empty() {
            *action = Action::Carrying {
                labels,
                action: Box::new(action.clone()),
            };
        }
    }
    actions
}

fn random_action(random: &mut Random, rules: &[&Rule]) -> Action {
    let rule = random.pick(rules);
    match rule.map(|rule| (rule.section, &rule.pattern)) {
        Some((_, Pattern::Host(_) | Pattern::Dns)) => hosts::action(random, rules),
        Some((Section::Net, Pattern::Net(_))) => address_action(random, rules),
        Some((_, Pattern::Argv(_) | Pattern::Name { .. })) => exec_action(random, rules),
        _ if random.one_in(24) => Action::Use {
            privilege: *random
                .pick(&[&Privilege::Setuid, &Privilege::Userns, &Privilege::IoUring])
                .unwrap_or(&Privilege::Setuid),
        },
        _ => path_action(random, rules),
    }
}

fn random_path(random: &mut Random, rules: &[&Rule]) -> Vec<u8> {
    let patterns: Vec<&PathPattern> = rules.iter().filter_map(|rule| rule.path().or(rule.socket())).collect();
    let pattern = random.pick(&patterns);
    let mut path = match pattern {
        Some(pattern) if !random.one_in(8) => witness::path(pattern, &mut |limit| random.below(limit)),
        _ => (0..=random.below(4))
            .flat_map(|_| format!("/{}", random.word(PARTS)).into_bytes())
            .collect(),
    };
    let place = random.below(path.len());
    match random.below(8) {
        0 => path.extend_from_slice(format!("/{}", random.word(PARTS)).as_bytes()),
        1 => path.extend_from_slice(random.word(PARTS).as_bytes()),
        2 => path.truncate(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
        3 => {
            if let Some(byte) = path.get_mut(place) {
                *byte = *[b'a', b'z', b'/', b'.', 0xff].get(random.below(5)).unwrap_or(&b'a');
            }
        }
        4 => path.insert(place, b'a'),
        _ => {}
    }
    tidy(path)
}

/// The nearest resolved absolute path, or `@name` as it is.
fn tidy(path: Vec<u8>) -> Vec<u8> {
    if path.starts_with(b"@") {
        return path;
    }
    let components = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b"." && *part != b"..");
    let tidy: Vec<u8> = components
        .flat_map(|part| [b"/", part].concat())
        .filter(|byte| *byte != 0)
        .collect();
    if tidy.is_empty() { b"/".to_vec() } else { tidy }
}

fn file_path(random: &mut Random, rules: &[&Rule]) -> Vec<u8> {
    let path = random_path(random, rules);
    if path.starts_with(b"@") { b"/a/b".to_vec() } else { path }
}

fn path_action(random: &mut Random, rules: &[&Rule]) -> Action {
    let path = file_path(random, rules);
    match random.below(12) {
        0..=2 => Action::Read { path },
        3 | 4 => Action::Write { path },
        5 => Action::ReadWrite { path },
        6 => Action::Rename {
            old: path,
            new: file_path(random, rules),
            directory: random.one_in(2),
        },
        7 => Action::Link {
            old: path,
            new: file_path(random, rules),
        },
        8 => Action::Load { path },
        9 => Action::Unix {
            name: random_path(random, rules),
        },
        10 => Action::Unix {
            name: [b"@", random.word(PARTS).as_bytes()].concat(),
        },
        _ => exec_action(random, rules),
    }
}

fn exec_action(random: &mut Random, rules: &[&Rule]) -> Action {
    let with_argv: Vec<&Rule> = rules.iter().copied().filter(|rule| rule.argv().is_some()).collect();
    let (name, mut arguments) = match random.pick(&with_argv).and_then(|rule| rule.argv()) {
        Some(argv) if !random.one_in(6) => witness::argv(argv, &mut |limit| random.below(limit)),
        _ => (
            random.word(PROGRAMS).as_bytes().to_vec(),
            vec![random.word(ARGUMENTS).as_bytes().to_vec()],
        ),
    };
    let options = options_of(&String::from_utf8_lossy(&name));
    for _ in 0..random.below(3) {
        let place = random.below(arguments.len() + 1);
        match random.below(6) {
            0 => arguments.insert(
                place,
                random
                    .word(&["-v", "--quiet", "--x=y", "-", "--", "+nightly", "A=b"])
                    .as_bytes()
                    .to_vec(),
            ),
            1 | 2 => {
                let option = random.pick(&options).unwrap_or("-C").as_bytes().to_vec();
                arguments.splice(place..place, [option, random.word(ARGUMENTS).as_bytes().to_vec()]);
            }
            3 => arguments.push(random.word(ARGUMENTS).as_bytes().to_vec()),
            4 => {
                arguments.pop();
            }
            _ => arguments.insert(0, format!("{}=x", random.pick(&options).unwrap_or("--y")).into_bytes()),
        }
    }
    for argument in &mut arguments {
        argument.retain(|byte| *byte != 0);
    }
    let program = if random.one_in(2) {
        tidy([b"/usr/bin/", name.as_slice()].concat())
    } else {
        file_path(random, rules)
    };
    let called_as = random.one_in(3).then(|| {
        if random.one_in(2) {
            name
        } else {
            random.word(PROGRAMS).as_bytes().to_vec()
        }
    });
    let kind = match random.below(12) {
        0 => ProgramKind::Memfd,
        1 => ProgramKind::Deleted,
        2..=4 => ProgramKind::Script,
        _ => ProgramKind::File,
    };
    let argv = std::iter::once(program.clone()).chain(arguments).collect();
    Action::Exec(ExecAction {
        program,
        called_as,
        argv,
        kind,
        content: random.one_in(3).then(|| content(random)),
    })
}

fn address_action(random: &mut Random, rules: &[&Rule]) -> Action {
    let nets: Vec<(&Rule, [u8; 16])> = rules
        .iter()
        .filter_map(|rule| {
            if let Pattern::Net(net) = &rule.pattern {
                Some((*rule, net))
            } else {
                None
            }
        })
        .flat_map(|(rule, net)| net.networks.iter().map(move |network| (rule, network.prefix)))
        .collect();
    let place = random.below(nets.len());
    let (mut octets, ports) = match nets.get(place) {
        Some((rule, prefix)) => {
            let ports = if let Pattern::Net(net) = &rule.pattern {
                net.ends.ports
            } else {
                None
            };
            (*prefix, ports)
        }
        None => ([0; 16], None),
    };
    if random.one_in(3) {
        let place = 8 + random.below(8);
        if let Some(byte) = octets.get_mut(place) {
            *byte ^= 1 << random.below(8);
        }
    }
    let v6 = Ipv6Addr::from(octets);
    let ip = match (v6.to_ipv4_mapped(), random.below(5)) {
        (_, 0) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        (_, 1) if random.one_in(2) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        (Some(v4), 2) => IpAddr::V6(nat64(v4)),
        (Some(v4), 3 | 4) => IpAddr::V4(v4),
        _ => IpAddr::V6(v6),
    };
    let (first, last) = ports.unwrap_or((443, 443));
    let port = match random.below(6) {
        0 => 0,
        1 => first,
        2 => last,
        3 => last.saturating_add(1),
        4 => first.saturating_sub(1),
        _ => 443,
    };
    let protocol = match random.below(5) {
        0 => Protocol::Other,
        1 | 2 => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    let address = SocketAddr::new(ip, port);
    if random.one_in(4) {
        Action::Bind { address, protocol }
    } else {
        Action::Connect { address, protocol }
    }
}

fn nat64(v4: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = v4.octets();
    Ipv6Addr::from([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
}
