//! A rule: what it matches, what it says, and how it ranks among others.

use crate::action::Protocol;
use crate::address::{End, Ends, NetPattern};
use crate::argv::{ArgvPattern, names_of};
use crate::check::nearest;
use crate::condition::Condition;
use crate::content::{self, ContentHash};
use crate::deputies;
use crate::diagnostic::{Code, Complaint};
use crate::glob::{PathPattern, is_anchored};
use crate::host::{HostName, HostPattern, HostRule};
use crate::hours::Hours;
use crate::labels::CarriedKind;
use crate::model::ModelPattern;
use crate::privileges::Privilege;
use crate::rate::RateLimit;
use crate::request;
use crate::spend::SpendLimit;
use crate::syntax::count;
use crate::tool::{Risk, ToolPattern};
use crate::verdict::{Decision, RuleId, Verdict};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;

/// The part of a policy a rule stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Section {
    /// Opening files for reading.
    #[serde(rename = "file.read")]
    Read,
    /// Changing files and directories.
    #[serde(rename = "file.write")]
    Write,
    /// Running programs.
    #[serde(rename = "exec")]
    Exec,
    /// Mapping files executable; only built-in rules stand here, written ones in `exec`.
    #[serde(rename = "load")]
    Load,
    /// Addresses and unix sockets.
    #[serde(rename = "net")]
    Net,
    /// What may only be done so often.
    #[serde(rename = "rate")]
    Rate,
    /// When nothing may be done.
    #[serde(rename = "hours")]
    Hours,
    /// What puts a label on who reads it.
    #[serde(rename = "file.label")]
    Label,
    /// What is taken from who carries a label.
    #[serde(rename = "data.from")]
    Carried,
    /// What is sent inside TLS where nobody reads it.
    #[serde(rename = "net.blind")]
    Blind,
    /// What is not sent inside TLS.
    #[serde(rename = "data.block")]
    Block,
    /// What is not sent inside TLS as it is.
    #[serde(rename = "data.redact")]
    Redact,
    /// Which models are called.
    #[serde(rename = "model")]
    Model,
    /// Which tools are called.
    #[serde(rename = "tool")]
    Tool,
    /// How much of models is used.
    #[serde(rename = "spend")]
    Spend,
    /// What nobody may do unless it is listed.
    #[serde(rename = "privileges")]
    Privileges,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "file.read",
            Self::Write => "file.write",
            Self::Exec => "exec",
            Self::Load => "load",
            Self::Net => "net",
            Self::Rate => "rate",
            Self::Hours => "hours",
            Self::Label => "file.label",
            Self::Carried => "data.from",
            Self::Blind => "net.blind",
            Self::Block => "data.block",
            Self::Redact => "data.redact",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Spend => "spend",
            Self::Privileges => "privileges",
        })
    }
}

/// Whether a rule was written or comes with the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// It stands in the policy.
    Written,
    /// It comes with the language; weaker than any written rule, stronger than a default.
    BuiltIn,
    /// It follows from rules that name hosts: a way round the resolver is closed. As strong as a written one.
    Implied,
    /// It comes with the language: a socket whose owner acts for whoever asks. Only a rule that names it is stronger.
    Deputy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Path(PathPattern),
    /// A program wherever it lies.
    Name {
        path: PathPattern,
        argv: ArgvPattern,
    },
    Interpreter(PathPattern),
    Argv(ArgvPattern),
    Content(ContentHash),
    Memfd,
    Deleted,
    Net(NetPattern),
    Host(HostRule),
    /// Looking names up.
    Dns,
    /// What no rule says of a request.
    AnyRequest,
    Unix(PathPattern),
    Rate(RateLimit),
    Hours(Hours),
    /// Who reads it carries the label.
    Label {
        label: String,
        path: PathPattern,
    },
    /// What is taken from who carries the label.
    Carried {
        label: String,
        kind: CarriedKind,
    },
    /// One of [`DATA_CLASSES`](crate::DATA_CLASSES).
    Data(&'static str),
    /// Secrets of the vault whose names match: `*` is any characters, `?` is one.
    Vault(String),
    /// TLS that no probe reads.
    Blind,
    Model(ModelPattern),
    Tool(ToolPattern),
    Spend(SpendLimit),
    Privilege(Privilege),
}

/// The columns of the path automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Read,
    Write,
    Exec,
    Load,
}

impl Column {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Exec, Self::Load];
}

/// One entry of an `allow`, `ask` or `deny` list, or a built-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number in the policy.
    pub id: RuleId,
    /// Where it stands.
    pub section: Section,
    /// What it says.
    pub verdict: Verdict,
    /// Written or built-in.
    pub kind: RuleKind,
    /// As written.
    pub text: String,
    /// The line it stands on; 0 for built-ins.
    pub line: u32,
    /// How grave what it is about is, where it says so.
    pub risk: Option<Risk>,
    /// What must hold of a request, in `net`; tools have their own.
    pub(crate) when: Option<Condition>,
    pub(crate) pattern: Pattern,
    /// Greater wins over smaller among all rules that match.
    pub(crate) rank: u32,
}

impl Rule {
    /// A rule that has no number, line and rank yet.
    pub(crate) fn new(kind: RuleKind, section: Section, verdict: Verdict, text: String, pattern: Pattern) -> Self {
        Self {
            id: RuleId(0),
            section,
            verdict,
            kind,
            text,
            line: 0,
            risk: None,
            when: None,
            pattern,
            rank: 0,
        }
    }

    /// The path patterns it puts in a column.
    pub(crate) fn column(&self, column: Column) -> Option<&PathPattern> {
        match (&self.pattern, self.section, column) {
            (Pattern::Path(path), Section::Read, Column::Read)
            | (Pattern::Path(path), Section::Write, Column::Write)
            | (Pattern::Path(path), Section::Exec, Column::Exec | Column::Load)
            | (Pattern::Path(path), Section::Load, Column::Load)
            | (Pattern::Name { path, .. }, _, Column::Exec | Column::Load)
            | (Pattern::Interpreter(path), _, Column::Load) => Some(path),
            _ => None,
        }
    }

    /// Its path pattern, whatever the columns.
    pub(crate) fn path(&self) -> Option<&PathPattern> {
        match &self.pattern {
            Pattern::Label { path, .. } => Some(path),
            _ => Column::ALL.into_iter().find_map(|column| self.column(column)),
        }
    }

    /// Its pattern of unix sockets.
    pub(crate) fn socket(&self) -> Option<&PathPattern> {
        match &self.pattern {
            Pattern::Unix(path) => Some(path),
            _ => None,
        }
    }

    /// The label it speaks of and what it takes; nothing for other rules.
    pub(crate) fn of_label(&self) -> Option<(String, Option<CarriedKind>)> {
        match &self.pattern {
            Pattern::Label { label, .. } => Some((label.clone(), None)),
            Pattern::Carried { label, kind } => Some((label.clone(), Some(*kind))),
            _ => None,
        }
    }

    /// The label it gives, and to whom.
    pub(crate) fn label(&self) -> Option<(&str, &PathPattern)> {
        match &self.pattern {
            Pattern::Label { label, path } => Some((label, path)),
            _ => None,
        }
    }

    /// What it looks for in names and arguments: a bare name that is asked or denied is also looked for in what a program is called by.
    pub(crate) fn argv(&self) -> Option<&ArgvPattern> {
        match &self.pattern {
            Pattern::Argv(argv) => Some(argv),
            Pattern::Name { argv, .. } if self.verdict >= Verdict::Ask => Some(argv),
            _ => None,
        }
    }

    /// Whether directories above what it names may not be moved.
    pub(crate) fn guards(&self) -> bool {
        self.protected()
            .any(|path| path.alternatives.iter().any(|pieces| is_anchored(pieces)))
    }

    /// What of it would no longer hold if a directory above were moved.
    pub(crate) fn protected(&self) -> impl Iterator<Item = &PathPattern> {
        let by_verdict = [Column::Read, Column::Write, Column::Exec]
            .into_iter()
            .filter_map(|column| self.column(column))
            .filter(|_| self.verdict >= Verdict::Ask);
        by_verdict.chain(self.label().map(|(_, path)| path))
    }

    /// Its pattern as it was written, without a condition.
    pub(crate) fn name(&self) -> &str {
        match &self.when {
            Some(_) => request::name(&self.text),
            None => &self.text,
        }
    }

    /// Whether it has a condition.
    pub(crate) fn is_conditional(&self) -> bool {
        self.when.is_some() || matches!(&self.pattern, Pattern::Tool(tool) if tool.parts().1.is_some())
    }

    pub(crate) fn is_written(&self) -> bool {
        self.kind == RuleKind::Written
    }

    /// Its decision on an action.
    pub fn decision(&self) -> Decision {
        Decision::new(self.verdict, self.kind != RuleKind::BuiltIn, Some(self.id))
    }

    /// The verdict, and among those that allow: by a wildcard, not what deputies listen on, by name.
    fn strength(&self) -> (Verdict, u8) {
        match &self.pattern {
            _ if self.kind == RuleKind::Deputy => (Verdict::Allow, 1),
            Pattern::Unix(path) if self.verdict == Verdict::Allow && deputies::names(path) => (Verdict::Allow, 2),
            _ => (self.verdict, 0),
        }
    }

    /// Longest literal prefix, then longer pattern.
    fn specificity(&self) -> (u32, u32) {
        match &self.pattern {
            Pattern::Path(path)
            | Pattern::Name { path, .. }
            | Pattern::Interpreter(path)
            | Pattern::Unix(path)
            | Pattern::Label { path, .. } => (path.literal_prefix(), count(path.text.len())),
            Pattern::Argv(_) => (
                count(self.text.bytes().take_while(|byte| !b"*?".contains(byte)).count()),
                count(self.text.len()),
            ),
            Pattern::Net(net) => net.specificity(),
            Pattern::Host(host) => host.specificity(),
            Pattern::Model(model) => model.specificity(),
            Pattern::Tool(tool) => tool.specificity(),
            Pattern::Content(_)
            | Pattern::Memfd
            | Pattern::Deleted
            | Pattern::Dns
            | Pattern::AnyRequest
            | Pattern::Carried { .. }
            | Pattern::Data(_)
            | Pattern::Vault(_)
            | Pattern::Blind
            | Pattern::Privilege(_)
            | Pattern::Rate(_)
            | Pattern::Spend(_)
            | Pattern::Hours(_) => (0, 0),
        }
    }

    pub(crate) fn matches_address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> bool {
        self.counts_at_connect() && matches!(&self.pattern, Pattern::Net(net) if net.matches(address, port, protocol))
    }

    pub(crate) fn matches_host(&self, names: &[HostName], port: u16, protocol: Protocol) -> bool {
        self.counts_at_connect() && matches!(&self.pattern, Pattern::Host(host) if host.matches(names, port, protocol))
    }

    /// Whether it can only be enforced with a resolver: it names hosts, or the looking up of names.
    pub fn needs_resolver(&self) -> bool {
        matches!(self.pattern, Pattern::Host(_) | Pattern::Dns)
    }
}

/// Numbers the rules and ranks them: written and implied before built-in, deny > ask > allow, then the more specific, then the earlier.
/// A deputy's socket stands between what is allowed by a wildcard and what is allowed by name.
pub(crate) fn rank(rules: &mut [Rule]) {
    for (number, rule) in rules.iter_mut().enumerate() {
        rule.id = RuleId(count(number));
    }
    let mut order: Vec<&mut Rule> = rules.iter_mut().collect();
    order.sort_by_cached_key(|rule| {
        (
            rule.kind != RuleKind::BuiltIn,
            rule.strength(),
            rule.specificity(),
            rule.when.is_some(),
            Reverse(rule.id),
        )
    });
    for (place, rule) in order.into_iter().enumerate() {
        rule.rank = count(place);
    }
}

/// Reads an entry of `net` with a condition: of TCP, over which alone TLS is read.
pub(crate) fn parse_conditional(verdict: Verdict, text: &str) -> Result<Pattern, Complaint> {
    // Who suspends or kills when something is asked for does not when it is connected to, so the name is looked up.
    let mut pattern = parse_pattern(Section::Net, verdict.min(Verdict::Deny), text)?;
    let ends: &mut Ends = match &mut pattern {
        Pattern::Net(net) => &mut net.ends,
        Pattern::Host(host) => &mut host.ends,
        _ => {
            return Err(Complaint::new(Code::Condition, format!("`{text}` has no condition"))
                .cause("conditions are about requests over HTTP, which go to a host or an address"));
        }
    };
    if *ends.protocol.get_or_insert(Protocol::Tcp) != Protocol::Tcp {
        return Err(Complaint::new(Code::Condition, format!("`{text}` has no condition"))
            .cause("what is sent over UDP is not read")
            .hint("write `/tcp`, or leave it out"));
    }
    Ok(pattern)
}

/// Reads an entry of a list of a section, names already substituted.
pub(crate) fn parse_pattern(section: Section, verdict: Verdict, text: &str) -> Result<Pattern, Complaint> {
    if text.contains('\0') {
        return Err(Complaint::new(Code::Value, "a pattern has no NUL byte"));
    }
    match section {
        Section::Read | Section::Write | Section::Load | Section::Label | Section::Carried => {
            PathPattern::path(text).map(Pattern::Path)
        }
        Section::Net => match text.strip_prefix("unix:") {
            Some(socket) => PathPattern::socket(socket).map(Pattern::Unix),
            None => parse_net(verdict, text),
        },
        Section::Exec => parse_exec(text),
        Section::Privileges => parse_privilege(text),
        Section::Model => ModelPattern::parse(text).map(Pattern::Model),
        Section::Tool => ToolPattern::new(text, None).map(Pattern::Tool),
        // Their rules are no patterns of anything: see check/limits.rs, check/data.rs, check/sections.rs and check/spending.rs.
        Section::Rate | Section::Hours | Section::Block | Section::Redact | Section::Blind | Section::Spend => {
            Err(Complaint::new(Code::Value, format!("`{section}` has no patterns")))
        }
    }
}

fn parse_net(verdict: Verdict, text: &str) -> Result<Pattern, Complaint> {
    let pattern = match End::parse(text)? {
        End::Addresses(net) => Pattern::Net(net),
        End::Hosts(host) => Pattern::Host(host),
        End::Dns => Pattern::Dns,
    };
    let any_host = matches!(&pattern, Pattern::Host(host) if host.host == HostPattern::Any);
    match verdict {
        Verdict::Suspend | Verdict::Kill if matches!(pattern, Pattern::Host(_) | Pattern::Dns) => Err(Complaint::new(
            Code::Net,
            format!("`{text}`: a name cannot {verdict} an agent"),
        )
        .cause("what is not allowed or asked about is not looked up, so nothing ever connects to it")
        .hint("write it under `deny`, or name addresses here")),
        Verdict::Ask if pattern == Pattern::Dns => Err(Complaint::new(Code::Net, "a lookup cannot wait for a person")
            .cause("programs give up on a name after some seconds")
            .hint("write the hosts to be asked about here; they are looked up, and connecting to them asks")),
        Verdict::Ask if any_host => Err(
            Complaint::new(Code::Net, format!("`{text}` would ask about every host"))
                .cause("ask is stronger than allow, so it would ask about those that are allowed too")
                .hint("write `default: ask`, which asks about what no rule names"),
        ),
        Verdict::Deny if any_host => Err(Complaint::new(Code::Net, format!("`{text}` denies less than it says"))
            .cause("`*` is every name, and an address can be reached without one")
            .hint(format!(
                "write `{0}` and `{1}`",
                text.replacen('*', "0.0.0.0/0", 1),
                text.replacen('*', "[::]/0", 1)
            ))),
        _ => Ok(pattern),
    }
}

fn parse_privilege(text: &str) -> Result<Pattern, Complaint> {
    let known = || Privilege::ALL.into_iter().map(Privilege::word);
    Privilege::from_word(text).map(Pattern::Privilege).ok_or_else(|| {
        let complaint = Complaint::new(Code::Value, format!("`{text}` is not a privilege"));
        match nearest(text, known()) {
            Some(near) => complaint.hint(format!("did you mean `{near}`?")),
            None => complaint.hint(format!("one of {}", known().collect::<Vec<_>>().join(", "))),
        }
    })
}

fn parse_exec(text: &str) -> Result<Pattern, Complaint> {
    if let Some(script) = text.strip_prefix("interpreter:") {
        return PathPattern::path(script).map(Pattern::Interpreter);
    }
    if let Some(digits) = text.strip_prefix(content::PREFIX) {
        return ContentHash::parse(digits).map(Pattern::Content);
    }
    if text == "memfd" {
        return Ok(Pattern::Memfd);
    }
    if text == "deleted" {
        return Ok(Pattern::Deleted);
    }
    if text.starts_with('/') || text.starts_with("**") || text.starts_with("{/") {
        let unescaped = text.replace("\\ ", "");
        if unescaped.contains(char::is_whitespace) {
            let program = unescaped.split_whitespace().next().unwrap_or_default();
            let name = program.rsplit('/').next().unwrap_or_default();
            return Err(Complaint::new(
                Code::Exec,
                format!("`{text}` is neither a path nor an argument pattern"),
            )
            .cause("an argument pattern begins with the program's name; it holds wherever the program lies")
            .hint(format!("write `{name} ...`; a space in a path is written `\\ `")));
        }
        return PathPattern::path(text).map(Pattern::Path);
    }
    if text.contains(char::is_whitespace) {
        return ArgvPattern::parse(text).map(Pattern::Argv);
    }
    if text.contains('/') || text.is_empty() || text == "..." {
        return Err(
            Complaint::new(Code::Exec, format!("`{text}` is neither a name nor an absolute path"))
                .hint(format!("write `**/{text}` for that path at any depth")),
        );
    }
    if text.contains(['{', '[']) {
        return Err(
            Complaint::new(Code::Exec, format!("`{text}`: a name holds no `{{...}}` or `[...]`"))
                .hint(format!("write one name for each, or `**/{text}`")),
        );
    }
    let names: Vec<PathPattern> = names_of(text)
        .into_iter()
        .map(|name| PathPattern::path(&format!("**/{name}")))
        .collect::<Result<_, _>>()?;
    let path = PathPattern {
        text: format!("**/{text}"),
        alternatives: names.into_iter().flat_map(|name| name.alternatives).collect(),
    };
    Ok(Pattern::Name {
        path,
        argv: ArgvPattern::any_arguments(text),
    })
}

const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts/*",
];
const LIBRARIES: [&str; 7] = [
    "/usr/lib/**",
    "/usr/lib32/**",
    "/usr/lib64/**",
    "/lib/**",
    "/lib64/**",
    "/usr/local/lib/**",
    "/usr/libexec/**",
];

/// Sockets of services that look names up for others: nss-resolve, nscd, Avahi.
const LOOKUP_SERVICES: [&str; 3] = [
    "unix:/run/systemd/resolve/**",
    "unix:/run/nscd/socket",
    "unix:/run/avahi-daemon/socket",
];
/// DNS over TLS and QUIC (RFC 7858, RFC 9250).
const ENCRYPTED_LOOKUPS: [&str; 2] = ["0.0.0.0/0:853", "[::]/0:853"];

/// What a policy that names hosts closes besides: ways to look names up that do not go through the resolver. A name server may still
/// be listed, by its address or name and port 853. `unlisted` is what becomes of addresses that no rule names.
pub(crate) fn closed_by_names(unlisted: Verdict) -> Vec<Rule> {
    let implied = LOOKUP_SERVICES.iter().map(|text| (RuleKind::Implied, text));
    let built_in = ENCRYPTED_LOOKUPS.iter().map(|text| (RuleKind::BuiltIn, text));
    let built_in = built_in.filter(|_| unlisted < Verdict::Deny);
    let rules = implied.chain(built_in).filter_map(|(kind, text)| {
        let pattern = parse_pattern(Section::Net, Verdict::Deny, text).ok()?;
        Some(Rule::new(
            kind,
            Section::Net,
            Verdict::Deny,
            (*text).to_owned(),
            pattern,
        ))
    });
    rules.collect()
}

/// What every program needs, for the sections that are present.
pub(crate) fn built_in(present: impl Fn(Section) -> bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add = |section: Section, governed_by: Section, text: &str| {
        if let (true, Ok(path)) = (present(governed_by), PathPattern::path(text)) {
            let pattern = Pattern::Path(path);
            rules.push(Rule::new(
                RuleKind::BuiltIn,
                section,
                Verdict::Allow,
                text.to_owned(),
                pattern,
            ));
        }
    };
    for device in DEVICES.iter().chain(&["/dev/urandom", "/dev/random"]) {
        add(Section::Read, Section::Read, device);
    }
    for device in DEVICES {
        add(Section::Write, Section::Write, device);
    }
    for library in LIBRARIES {
        add(Section::Load, Section::Exec, library);
    }
    rules
}
