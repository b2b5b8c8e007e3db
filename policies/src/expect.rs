//! `expect` lines: a policy's own tests. `read $home/.ssh/id_ed25519 -> deny`

use crate::action::{Action, ExecAction, ProgramKind, Protocol};
use crate::address::split_ports;
use crate::content::{self, ContentHash};
use crate::diagnostic::{Code, Complaint, Report, Span};
use crate::host::HostName;
use crate::names::Names;
use crate::policy::Policy;
use crate::privileges::Privilege;
use crate::request::HttpAction;
use crate::tool::{Risk, ToolAction};
use crate::verdict::{RuleId, Verdict};
use std::net::{IpAddr, SocketAddr};

/// One line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expect {
    pub(crate) text: String,
    span: Span,
    action: Action,
    want: Verdict,
    risk: Option<Risk>,
}

impl Expect {
    /// What is expected of, and where the line stands.
    pub(crate) fn place(&self) -> (&Action, Span) {
        (&self.action, self.span)
    }
}

fn complaint(message: impl Into<String>) -> Complaint {
    Complaint::new(Code::ExpectSyntax, message)
}

/// Reads all lines, reporting those that cannot be read.
pub(crate) fn parse_all(lines: &[(String, Span)], names: &Names, report: &mut Report<'_>) -> Vec<Expect> {
    let mut expects = Vec::new();
    for (text, span) in lines {
        match parse(text, names) {
            Ok((action, want, risk)) => expects.push(Expect {
                text: text.clone(),
                span: *span,
                action,
                want,
                risk,
            }),
            Err(complaint) => complaint.report(report, *span),
        }
    }
    expects
}

/// Evaluates all lines, reporting those that do not hold.
pub(crate) fn run(policy: &Policy, report: &mut Report<'_>) {
    for expect in &policy.expects {
        let explanation = policy.explain(&expect.action);
        let got = explanation.verdict;
        if got == expect.want || got == Verdict::Ungoverned && expect.want == Verdict::Allow {
            wrong_risk(policy, expect, explanation.rule, report);
            continue;
        }
        let note = report
            .error(
                Code::ExpectFailed,
                expect.span,
                format!("expected {}, but it is {got}", expect.want),
            )
            .cause(explanation.reason);
        match explanation.allow {
            Some(allow) if expect.want == Verdict::Allow => note.hint(format!("what would allow it: {allow}")),
            _ => note.hint("change the rules, or the line if it is wrong"),
        };
    }
}

/// Reports a verdict whose rule says another risk than is expected.
fn wrong_risk(policy: &Policy, expect: &Expect, rule: Option<RuleId>, report: &mut Report<'_>) {
    let says = rule.and_then(|id| policy.risk(id));
    if expect.risk.is_some() && says != expect.risk {
        let says = says.map_or("no risk", Risk::word);
        let want = expect.risk.map_or("none", Risk::word);
        report
            .error(
                Code::ExpectFailed,
                expect.span,
                format!("expected the risk {want}, but the rule says {says}"),
            )
            .hint("change the rule's `risk`, or the line if it is wrong");
    }
}

/// Reads `ACTION -> VERDICT`, or `ACTION -> VERDICT RISK`.
fn parse(text: &str, names: &Names) -> Result<(Action, Verdict, Option<Risk>), Complaint> {
    let (action, want) = text
        .rsplit_once("->")
        .ok_or_else(|| complaint("an `expect` line ends with `-> VERDICT`").hint(format!("`{text} -> deny`")))?;
    let want = want.trim();
    let (word, risk) = match want.split_once(' ') {
        Some((word, risk)) => (word, Some(risk.trim())),
        None => (want, None),
    };
    let verdict = Verdict::from_word(word).ok_or_else(|| {
        complaint(format!("`{want}` is not a verdict")).hint("`allow`, `ask`, `deny` or `ungoverned`")
    })?;
    let known = |word: &str| Risk::ALL.into_iter().find(|risk| risk.word() == word);
    let risk = match risk.map(|word| (word, known(word))) {
        Some((word, None)) => {
            return Err(complaint(format!("`{word}` is not a risk")).hint(Risk::ALL.map(Risk::word).join(", ")));
        }
        Some((_, risk)) => risk,
        None => None,
    };
    Ok((parse_action(action, names)?, verdict, risk))
}

/// Reads an action as `expect` lines and the command line write it.
pub(crate) fn parse_action(text: &str, names: &Names) -> Result<Action, Complaint> {
    if let Some(call) = text.trim().strip_prefix("tool ") {
        return tool(call.trim(), names);
    }
    let words = split(&names.words(text.trim())?)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.iter().any(|word| word.contains('\0')) {
        return Err(complaint("an action has no NUL byte").hint("names and arguments end where one would be"));
    }
    if let Some(place) = words
        .iter()
        .rposition(|word| *word == "carrying")
        .filter(|place| *place > 0)
    {
        let (action, labels) = words.split_at(place);
        return Ok(Action::Carrying {
            labels: carried(labels.get(1..).unwrap_or_default())?,
            action: Box::new(action_of(action)?),
        });
    }
    action_of(&words)
}

/// `NAME`, or `NAME {JSON}`.
fn tool(call: &str, names: &Names) -> Result<Action, Complaint> {
    let call = names.plain(call)?;
    let (name, arguments) = match call.split_once(char::is_whitespace) {
        Some((name, arguments)) => (name, Some(arguments.trim())),
        None => (call.as_str(), None),
    };
    if let Some(text) = arguments {
        let object = |json: serde_json::Value| json.is_object();
        let read = serde_json::from_str(text).map(object);
        if !read.as_ref().is_ok_and(|object| *object) {
            let complaint = complaint("a tool is called with an object of JSON");
            let cause = read.err().map_or("it is none".to_owned(), |error| error.to_string());
            return Err(complaint.cause(cause).hint("`tool db.query {\"sql\": \"select 1\"}`"));
        }
    }
    Ok(Action::Tool(ToolAction {
        name: name.to_owned(),
        arguments: arguments.map(str::to_owned),
    }))
}

fn carried(words: &[&str]) -> Result<Vec<String>, Complaint> {
    if let Some(odd) = words.iter().find(|word| !crate::labels::is_name(word)) {
        return Err(complaint(format!("`{odd}` cannot be a label")).hint("behind `carrying` stand labels alone"));
    }
    if words.is_empty() {
        return Err(complaint("no label is named behind `carrying`").hint("`connect 192.0.2.1:443 carrying secret`"));
    }
    Ok(words.iter().map(|word| (*word).to_owned()).collect())
}

/// The same without labels.
fn action_of(words: &[&str]) -> Result<Action, Complaint> {
    match words {
        ["read", file] => Ok(Action::Read { path: path(file)? }),
        ["write" | "create" | "unlink", file] => Ok(Action::Write { path: path(file)? }),
        ["rename", old, new] => {
            let directory = old.len() > 1 && old.ends_with('/');
            let strip = |text: &str| {
                path(if directory {
                    text.strip_suffix('/').unwrap_or(text)
                } else {
                    text
                })
            };
            Ok(Action::Rename {
                old: strip(old)?,
                new: strip(new)?,
                directory,
            })
        }
        ["link", old, new] => Ok(Action::Link {
            old: path(old)?,
            new: path(new)?,
        }),
        ["load", file] => Ok(Action::Load { path: path(file)? }),
        ["unix", name] if name.starts_with('@') => Ok(Action::Unix {
            name: name.as_bytes().to_vec(),
        }),
        ["unix", name] => Ok(Action::Unix { name: path(name)? }),
        ["use", word] => {
            match Privilege::from_word(word) {
                Some(privilege) => Ok(Action::Use { privilege }),
                None => Err(complaint(format!("`{word}` is not a privilege"))
                    .hint(Privilege::ALL.map(Privilege::word).join(", "))),
            }
        }
        ["memfd"] => Ok(Action::Exec(exec("/memfd", &[], ProgramKind::Memfd))),
        ["deleted"] => Ok(Action::Exec(exec("/deleted", &[], ProgramKind::Deleted))),
        ["exec", hash, program, arguments @ ..] if hash.starts_with(content::PREFIX) => Ok(Action::Exec(ExecAction {
            content: Some(ContentHash::parse(hash.trim_start_matches(content::PREFIX))?),
            ..program_of(program, arguments)?
        })),
        ["exec", program, arguments @ ..] => program_of(program, arguments).map(Action::Exec),
        ["connect", end] => connect(end, &[]),
        ["connect", end, "as", names @ ..] if !names.is_empty() => connect(end, names),
        ["bind", end] => socket(end, "what is bound").map(|(address, protocol)| Action::Bind { address, protocol }),
        ["dns", name] => Ok(Action::Lookup { host: host(name)? }),
        ["model", name] => Ok(Action::Model {
            name: (*name).to_owned(),
        }),
        ["http", method, url] => HttpAction::parse(method, url).map(Action::Http),
        [word @ "spend", ..] => Err(Complaint::new(
            Code::NotYet,
            format!("`{word}` lines are not known by this version yet"),
        )
        .hint("remove the line")),
        [word, ..] if KINDS.iter().any(|(kind, _)| kind == word) => {
            let form = KINDS
                .iter()
                .find(|(kind, _)| kind == word)
                .map_or("", |(_, form)| *form);
            Err(complaint(format!("`{word}` is written `{word}{form}`")).hint("quote words with spaces in them"))
        }
        [word, ..] => {
            let complaint = complaint(format!("`{word}` is not a kind of action"));
            Err(match crate::check::nearest(word, KINDS.iter().map(|(kind, _)| *kind)) {
                Some(near) => complaint.hint(format!("did you mean `{near}`?")),
                None => complaint.hint(KINDS.map(|(kind, _)| kind).join(", ")),
            })
        }
        [] => Err(complaint("no action is named").hint("`read /etc/shadow -> deny`")),
    }
}

const KINDS: [(&str, &str); 18] = [
    ("read", " PATH"),
    ("write", " PATH"),
    ("create", " PATH"),
    ("unlink", " PATH"),
    ("rename", " OLD NEW"),
    ("link", " OLD NEW"),
    ("load", " PATH"),
    ("exec", " [sha256:DIGITS] PROGRAM ARGUMENT..."),
    (
        "connect",
        " HOST:PORT[/udp]` or `connect ADDRESS:PORT[/udp] [as HOST...]",
    ),
    ("dns", " HOST"),
    ("bind", " ADDRESS:PORT[/udp]"),
    ("unix", " PATH|@NAME"),
    ("model", " NAME"),
    ("http", " METHOD HOST[:PORT]/PATH"),
    ("tool", " NAME [{JSON}]"),
    ("use", " PRIVILEGE"),
    ("memfd", ""),
    ("deleted", ""),
];

/// A bare name is one of `/usr/bin`.
fn program_of(program: &str, arguments: &[&str]) -> Result<ExecAction, Complaint> {
    let program = if program.contains('/') {
        program.to_owned()
    } else {
        format!("/usr/bin/{program}")
    };
    path(&program)?;
    Ok(exec(&program, arguments, ProgramKind::File))
}

fn exec(program: &str, arguments: &[&str], kind: ProgramKind) -> ExecAction {
    let argv = std::iter::once(&program)
        .chain(arguments)
        .map(|word| word.as_bytes().to_vec())
        .collect();
    ExecAction {
        program: program.as_bytes().to_vec(),
        called_as: None,
        argv,
        kind,
        content: None,
    }
}

fn path(text: &str) -> Result<Vec<u8>, Complaint> {
    let odd = text != "/"
        && text
            .split('/')
            .skip(1)
            .any(|component| matches!(component, "" | "." | ".."));
    if !text.starts_with('/') || odd {
        return Err(complaint(format!("`{text}` is not a resolved absolute path"))
            .hint("it begins with `/` and has no `.`, `..`, double slash, or slash at the end"));
    }
    Ok(text.as_bytes().to_vec())
}

/// A connection to an end, which is an address if names are bound to it.
fn connect(end: &str, names: &[&str]) -> Result<Action, Complaint> {
    if names.is_empty() {
        return Ok(match end_of(end)? {
            (Target::Address(ip), port, protocol) => Action::Connect {
                address: SocketAddr::new(ip, port),
                protocol,
            },
            (Target::Host(host), port, protocol) => Action::ConnectHost { host, port, protocol },
        });
    }
    let (address, protocol) = socket(end, "what stands before `as`")?;
    let names = names.iter().map(|name| host(name)).collect::<Result<_, _>>()?;
    Ok(Action::ConnectBound {
        address,
        protocol,
        names,
    })
}

fn host(text: &str) -> Result<HostName, Complaint> {
    HostName::parse(text).map_err(|error| complaint(error.to_string()).hint("`api.example.com`"))
}

/// The far end of a connection as it is written.
enum Target {
    Address(IpAddr),
    Host(HostName),
}

/// An address and a port, where no host will do.
fn socket(text: &str, what: &str) -> Result<(SocketAddr, Protocol), Complaint> {
    match end_of(text)? {
        (Target::Address(ip), port, protocol) => Ok((SocketAddr::new(ip, port), protocol)),
        (Target::Host(_), ..) => {
            Err(complaint(format!("`{text}`: {what} is an address, not a host")).hint("`127.0.0.1:8080`"))
        }
    }
}

fn end_of(text: &str) -> Result<(Target, u16, Protocol), Complaint> {
    let (end, protocol) = match text.rsplit_once('/') {
        Some((end, "udp")) => (end, Protocol::Udp),
        Some((end, "tcp")) => (end, Protocol::Tcp),
        Some((end, "other")) => (end, Protocol::Other),
        _ => (text, Protocol::Tcp),
    };
    let (host, port) = split_ports(end);
    let bare = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    let target = match (bare.parse(), HostName::parse(bare)) {
        (Ok(ip), _) => Target::Address(ip),
        (Err(_), Ok(host)) => Target::Host(host),
        (Err(_), Err(_)) => {
            return Err(complaint(format!("`{text}` is not an address or host, and port"))
                .hint("`api.example.com:443`, `140.82.112.3:443` or `[2001:db8::1]:53/udp`"));
        }
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| complaint(format!("`{port}` is not a port")))?,
        None if protocol == Protocol::Other => 0,
        None => return Err(complaint(format!("`{text}` has no port")).hint(format!("`{text}:443`"))),
    };
    Ok((target, port, protocol))
}

/// Splits into words as a shell does: spaces, quotes, backslashes.
fn split(text: &str) -> Result<Vec<String>, Complaint> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(complaint("a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}
