//! How the answers of tables make the verdict on an action. The kernel does the same; the oracle ([`crate::evaluate`]) and the lowered
//! tables ([`crate::lower`]) differ only in how they answer [`Lookup`].

use crate::action::{Action, ExecAction, ProgramKind, Protocol};
use crate::address::{FAMILIES, Network, canonical, destination, is_unspecified};
use crate::content::ContentHash;
use crate::host::HostName;
use crate::labels::{self, CarriedKind};
use crate::policy::SectionDefaults;
use crate::privileges::Privilege;
use crate::request::HttpAction;
use crate::rule::{RuleKind, Section};
use crate::tool::ToolAction;
use crate::verdict::{Decision, PathDecision, RuleId, Verdict};
use serde::{Deserialize, Serialize};

/// Where resolvers listen.
pub(crate) const RESOLVER_PORT: u16 = 53;

/// The answer to an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What happens.
    pub verdict: Verdict,
    /// The rule that decided; `None` where a default did.
    pub rule: Option<RuleId>,
    /// Why, in a sentence.
    pub reason: String,
}

/// Where a connection to a name leads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'place> {
    /// To this canonical address.
    Address(&'place [u8; 16]),
    /// It is only known which family: rules about some addresses of it do not count.
    Family(&'place Network),
}

/// What the tables of a policy answer.
pub(crate) trait Lookup {
    /// The decisions on a path, and whether something below it is protected.
    fn path(&self, path: &[u8]) -> (PathDecision, bool);
    /// The decision on a unix socket, by path or `@name`.
    fn socket(&self, name: &[u8]) -> Decision;
    /// The decision on a program's name and arguments; [`Decision::NONE`] where no rule matches.
    fn argv(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision;
    /// The decision on a canonical address.
    fn address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> Decision;
    /// What becomes of lookups, where they go through the resolver: `None` where no rule names a host or `dns`.
    fn dns(&self) -> Option<Decision>;
    /// The decision on looking up a name, if names are looked up at all.
    fn name(&self, host: &HostName) -> Decision;
    /// The decision on a connection to one of these names: the strongest rule about any of them or about the place.
    fn named(&self, names: &[HostName], place: Place<'_>, port: u16, protocol: Protocol) -> Decision;
    /// The decisions on programs without a name: in memory, and deleted.
    fn nameless(&self) -> (Decision, Decision);
    /// The decision on what is in a program; [`Decision::NONE`] where no rule names it.
    fn content(&self, content: &ContentHash) -> Decision;
    fn defaults(&self) -> SectionDefaults;
    /// The decision on a model.
    fn model(&self, name: &str) -> Decision;
    /// The decision on a call of a tool.
    fn tool(&self, call: &ToolAction) -> Decision;
    /// The decision on a request, beyond that on the connection; [`Decision::NONE`] where requests to there are not judged.
    fn request(&self, request: &HttpAction) -> Decision;
    /// The decision on what is denied unless it is listed.
    fn privilege(&self, privilege: Privilege) -> Decision;
    /// The policy's labels, sorted.
    fn labels(&self) -> &[String];
    /// The decision on what who carries the label does, whatever else decides.
    fn carried(&self, label: &str, kind: CarriedKind) -> Decision;
    /// The text, line and kind of a rule.
    fn cite(&self, id: RuleId) -> Option<(Section, &str, u32, RuleKind)>;
}

/// A decision with the section that gave it.
#[derive(Debug, Clone, Copy)]
struct Part {
    decision: Decision,
    section: Section,
    remark: Remark,
}

/// What the reason says beyond the rule or the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remark {
    None,
    /// A directory above something protected.
    Guarded,
    /// It is sent to the resolver.
    ToResolver,
    /// It is looked up, or not: what asks is, for connecting asks.
    Lookup,
    /// Lookups are not the resolver's.
    NoResolver,
    /// The new name would not give a label that the old one gives.
    LosesLabel,
}

impl Part {
    fn new(decision: Decision, section: Section) -> Self {
        Self {
            decision,
            section,
            remark: Remark::None,
        }
    }

    fn net(decision: Decision, remark: Remark) -> Self {
        Self {
            decision,
            section: Section::Net,
            remark,
        }
    }

    fn strictest(self, other: Self) -> Self {
        if self.decision.strictest(other.decision) == self.decision {
            self
        } else {
            other
        }
    }
}

/// Judges an action by the answers of tables.
pub(crate) fn judge(tables: &impl Lookup, action: &Action) -> Judgement {
    let part = decide(tables, action);
    let verdict = match part.decision.verdict() {
        Verdict::Ask if part.remark == Remark::Lookup => Verdict::Allow,
        verdict => verdict,
    };
    let mut reason = reason(tables, part);
    if let Some(gained) = gained(tables, action).filter(|_| verdict < Verdict::Deny) {
        reason = format!("{reason}; {gained}");
    }
    Judgement {
        verdict,
        rule: part.decision.rule(),
        reason,
    }
}

/// The labels that the action gives to who does it, and by which rule.
fn gained(tables: &impl Lookup, action: &Action) -> Option<String> {
    let path = match action {
        Action::Read { path } | Action::ReadWrite { path } | Action::Load { path } => path,
        Action::Exec(exec) if matches!(exec.kind, ProgramKind::File | ProgramKind::Script) => &exec.program,
        Action::Carrying { action, .. } => return gained(tables, action),
        _ => return None,
    };
    let decision = tables.path(path).0;
    let names = labels::names(tables.labels(), decision.labels);
    let (_, text, line, _) = decision.labelled_by.rule().and_then(|id| tables.cite(id))?;
    Some(format!(
        "who does it carries {} from then on: `{text}` in file.label (line {line})",
        names.join(", ")
    ))
}

/// What is done by who carries labels: the stricter of what anybody's would be and of what is taken from these.
fn decide_carrying(tables: &impl Lookup, labels: &[String], action: &Action) -> Part {
    let part = decide(tables, action);
    let Some(kind) = CarriedKind::of(action) else {
        return part;
    };
    let taken = labels
        .iter()
        .map(|label| tables.carried(label, kind))
        .fold(Decision::NONE, Decision::strictest);
    part.strictest(Part::new(taken, Section::Carried))
}

/// Whether under its new name an object would no longer give a label.
fn loses_label(tables: &impl Lookup, old: &[u8], new: &[u8]) -> bool {
    tables.path(old).0.labels & !tables.path(new).0.labels != 0
}

fn decide(tables: &impl Lookup, action: &Action) -> Part {
    let read = |path: &[u8]| Part::new(tables.path(path).0.read, Section::Read);
    let write = |path: &[u8]| Part::new(tables.path(path).0.write, Section::Write);
    match action {
        Action::Read { path } => read(path),
        Action::Write { path } => write(path),
        Action::ReadWrite { path } => read(path).strictest(write(path)),
        Action::Rename {
            old, directory: true, ..
        } if tables.path(old).1 => Part {
            decision: Decision::new(Verdict::Deny, false, None),
            section: Section::Write,
            remark: Remark::Guarded,
        },
        Action::Rename { old, new, .. } | Action::Link { old, new } if loses_label(tables, old, new) => Part {
            decision: Decision::new(Verdict::Deny, false, None),
            section: Section::Write,
            remark: Remark::LosesLabel,
        },
        Action::Carrying { labels, action } => decide_carrying(tables, labels, action),
        Action::Rename { old, new, .. } | Action::Link { old, new } => {
            write(old).strictest(read(old)).strictest(write(new))
        }
        Action::Exec(exec) => Part::new(decide_exec(tables, exec), Section::Exec),
        Action::Load { path } => Part::new(tables.path(path).0.load, Section::Exec),
        Action::Connect { address, protocol } => to_resolver(tables, address.port(), *protocol).unwrap_or_else(|| {
            Part::new(
                tables.address(&destination(*address), address.port(), *protocol),
                Section::Net,
            )
        }),
        Action::ConnectBound {
            address,
            protocol,
            names,
        } => to_resolver(tables, address.port(), *protocol).unwrap_or_else(|| {
            let place = destination(*address);
            Part::new(
                tables.named(names, Place::Address(&place), address.port(), *protocol),
                Section::Net,
            )
        }),
        Action::ConnectHost { host, port, protocol } => connect_host(tables, host, *port, *protocol),
        Action::Lookup { host } => match tables.dns() {
            None if tables.defaults().net == Decision::NONE => Part::new(Decision::NONE, Section::Net),
            None => Part::net(Decision::NONE, Remark::NoResolver),
            Some(_) => look_up(tables, host),
        },
        Action::Bind { address, protocol } => {
            let canonical = canonical(address.ip());
            let governed = tables.defaults().net != Decision::NONE;
            let decision = if governed && address.port() == 0 && is_unspecified(&canonical) {
                Decision::new(Verdict::Allow, false, None)
            } else {
                tables.address(&canonical, address.port(), *protocol)
            };
            Part::new(decision, Section::Net)
        }
        Action::Use { privilege } => Part::new(tables.privilege(*privilege), Section::Privileges),
        Action::Unix { name } => Part::new(tables.socket(name), Section::Net),
        Action::Model { name } => Part::new(tables.model(name), Section::Model),
        Action::Tool(call) => Part::new(tables.tool(call), Section::Tool),
        Action::Http(request) => send_request(tables, request),
    }
}

/// Where lookups go through the resolver, whatever is sent to its port goes to it, wherever it was addressed.
fn to_resolver(tables: &impl Lookup, port: u16, protocol: Protocol) -> Option<Part> {
    let to_it = port == RESOLVER_PORT && protocol != Protocol::Other;
    let dns = tables.dns().filter(|_| to_it)?;
    Some(Part::net(dns, Remark::ToResolver))
}

fn look_up(tables: &impl Lookup, host: &HostName) -> Part {
    let dns = tables.dns().filter(|dns| dns.verdict() == Verdict::Deny);
    Part::net(dns.unwrap_or_else(|| tables.name(host)), Remark::Lookup)
}

/// A name that is not looked up leads nowhere. Else it is as mild as the milder of the families: an address of that one may come.
fn connect_host(tables: &impl Lookup, host: &HostName, port: u16, protocol: Protocol) -> Part {
    if let Some(part) = to_resolver(tables, port, protocol) {
        return part;
    }
    if tables.dns().is_some() {
        let lookup = look_up(tables, host);
        if lookup.decision.verdict() == Verdict::Deny {
            return lookup;
        }
    }
    let names = std::slice::from_ref(host);
    let decisions = FAMILIES.map(|family| tables.named(names, Place::Family(&family), port, protocol));
    Part::new(crate::lower::mildest(decisions.into_iter()), Section::Net)
}

/// What is not connected to is not asked for anything.
fn send_request(tables: &impl Lookup, request: &HttpAction) -> Part {
    let connect = connect_host(tables, &request.host, request.port, Protocol::Tcp);
    match tables.request(request) {
        Decision::NONE => connect,
        decision => Part::new(decision, Section::Net).strictest(connect),
    }
}

fn decide_exec(tables: &impl Lookup, exec: &ExecAction) -> Decision {
    let content = exec.content.map_or(Decision::NONE, |content| tables.content(&content));
    let named = match exec.kind {
        ProgramKind::Memfd => return with_content(tables.nameless().0, content.restriction()),
        ProgramKind::Deleted => return with_content(tables.nameless().1, content.restriction()),
        ProgramKind::File | ProgramKind::Script => tables.argv(exec.name(), exec.arguments()),
    };
    let path = tables.path(&exec.program).0;
    let load = (exec.kind == ProgramKind::Script).then_some(path.load);
    let called = exec
        .called_name()
        .map_or(Decision::NONE, |name| tables.argv(name, exec.arguments()));
    with_content(combine_exec(path.exec, load, named, called), content)
}

/// The decision on an exec, and that on what is in the program: written beats default, else the stricter. What has no name is not
/// allowed by what is in it.
#[must_use]
pub fn with_content(exec: Decision, content: Decision) -> Decision {
    if exec == Decision::NONE {
        exec
    } else if content.explicit() && !exec.explicit() {
        content
    } else {
        exec.strictest(content)
    }
}

/// The decision on an exec from its parts. The kernel does exactly this:
///
/// 1. Where `exec` is absent, [`Decision::NONE`].
/// 2. `named` (arguments under the file's resolved name): if the path's decision is not explicit, an explicit `named` replaces it;
///    otherwise the stricter of the two.
/// 3. For a script, its `load` decision: the stricter of the two, except that an explicit decision of steps 1-2 is not outweighed by
///    a `load` default.
/// 4. `called` (arguments under the name it was called by): an ask or a deny makes it stricter; an allow counts for nothing.
#[must_use]
pub fn combine_exec(exec: Decision, load: Option<Decision>, named: Decision, called: Decision) -> Decision {
    if exec == Decision::NONE {
        return Decision::NONE;
    }
    let mut result = if named.explicit() && !exec.explicit() {
        named
    } else {
        exec.strictest(named)
    };
    if let Some(load) = load
        && (load.explicit() || !result.explicit())
    {
        result = result.strictest(load);
    }
    result.strictest(called.restriction())
}

fn reason(tables: &impl Lookup, part: Part) -> String {
    let Part {
        decision,
        section,
        remark,
    } = part;
    let verdict = decision.verdict();
    if remark == Remark::Guarded {
        return "a rule asks about or denies something below this directory, and moving it would take that out of the rule's sight"
            .to_owned();
    }
    if remark == Remark::LosesLabel {
        return "a rule labels who reads it under its old name, and does not under the new".to_owned();
    }
    if let Some(id) = decision.rule() {
        return match tables.cite(id) {
            Some((section, text, line, RuleKind::Written)) => {
                let cited = format!("`{text}` in {section}.{verdict} (line {line})");
                match (remark, verdict) {
                    (Remark::Lookup, Verdict::Deny) => format!("{cited}; it is not looked up"),
                    (Remark::Lookup, Verdict::Ask) => format!("{cited}; it is looked up, and connecting asks"),
                    _ => cited,
                }
            }
            Some(
                (section @ (Section::Model | Section::Tool), _, _, RuleKind::BuiltIn)
                | (section @ Section::Net, "*", _, RuleKind::BuiltIn),
            ) => {
                format!("no rule of {section} matches, and its default is {verdict}")
            }
            Some((section, text, _, RuleKind::BuiltIn)) => format!("`{text}` is built in for {section}"),
            Some((_, text, _, RuleKind::Implied)) => {
                format!("`{text}` is closed where a policy names hosts: lookups go through the resolver")
            }
            Some((_, text, _, RuleKind::Deputy)) => {
                format!("who listens at `{text}` does for others what they may not do themselves, and no rule names it")
            }
            None => format!("rule {id}"),
        };
    }
    match (remark, verdict) {
        (Remark::ToResolver, _) => {
            return "what is sent to port 53 goes to the resolver, which answers the names the policy lists".to_owned();
        }
        (Remark::Lookup, Verdict::Deny) => return "no rule of net lists this name, so it is not looked up".to_owned(),
        (Remark::Lookup, _) => return format!("the default of net is {verdict}, so every name is looked up"),
        (Remark::NoResolver, _) => {
            return "no rule of net names a host or `dns`, so lookups are judged by where they are sent".to_owned();
        }
        (Remark::None | Remark::Guarded | Remark::LosesLabel, _) => {}
    }
    match verdict {
        _ if section == Section::Privileges => "no governed process may, unless its policy lists it".to_owned(),
        Verdict::Ungoverned => format!("`{section}` is absent, so this is not governed"),
        Verdict::Allow if tables.defaults().section(section).verdict() != Verdict::Allow => {
            "binding no particular address and port is allowed".to_owned()
        }
        _ => format!("no rule of {section} matches, and its default is {verdict}"),
    }
}
