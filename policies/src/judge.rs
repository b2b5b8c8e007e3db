//! How the answers of tables make the verdict on an action. The kernel does the same; the oracle ([`crate::evaluate`]) and the lowered
//! tables ([`crate::lower`]) differ only in how they answer [`Lookup`].

use crate::action::{Action, ExecAction, ProgramKind, Protocol};
use crate::address::{canonical, destination, is_unspecified};
use crate::policy::SectionDefaults;
use crate::rule::{RuleKind, Section};
use crate::verdict::{Decision, PathDecision, RuleId, Verdict};
use serde::{Deserialize, Serialize};

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

/// What the tables of a policy answer.
pub(crate) trait Lookup {
    /// The decisions on a path (or `@name`), and whether something below it is protected.
    fn path(&self, path: &[u8]) -> (PathDecision, bool);
    /// The decision on a program's name and arguments; [`Decision::NONE`] where no rule matches.
    fn argv(&self, name: &[u8], arguments: &[Vec<u8>]) -> Decision;
    /// The decision on a canonical address.
    fn address(&self, address: &[u8; 16], port: u16, protocol: Protocol) -> Decision;
    /// The decisions on programs without a name: in memory, and deleted.
    fn nameless(&self) -> (Decision, Decision);
    fn defaults(&self) -> SectionDefaults;
    /// The text, line and kind of a rule.
    fn cite(&self, id: RuleId) -> Option<(Section, &str, u32, RuleKind)>;
}

/// A decision with the section that gave it.
#[derive(Debug, Clone, Copy)]
struct Part {
    decision: Decision,
    section: Section,
    guarded: bool,
}

impl Part {
    fn new(decision: Decision, section: Section) -> Self {
        Self {
            decision,
            section,
            guarded: false,
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
    Judgement {
        verdict: part.decision.verdict(),
        rule: part.decision.rule(),
        reason: reason(tables, part),
    }
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
            guarded: true,
        },
        Action::Rename { old, new, .. } | Action::Link { old, new } => {
            write(old).strictest(read(old)).strictest(write(new))
        }
        Action::Exec(exec) => Part::new(decide_exec(tables, exec), Section::Exec),
        Action::Load { path } => Part::new(tables.path(path).0.load, Section::Exec),
        Action::Connect { address, protocol } => Part::new(
            tables.address(&destination(*address), address.port(), *protocol),
            Section::Net,
        ),
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
        Action::Unix { name } => Part::new(tables.path(name).0.unix, Section::Net),
    }
}

fn decide_exec(tables: &impl Lookup, exec: &ExecAction) -> Decision {
    match exec.kind {
        ProgramKind::Memfd => return tables.nameless().0,
        ProgramKind::Deleted => return tables.nameless().1,
        ProgramKind::File | ProgramKind::Script => {}
    }
    let path = tables.path(&exec.program).0;
    let load = (exec.kind == ProgramKind::Script).then_some(path.load);
    let named = tables.argv(exec.name(), exec.arguments());
    let called = exec
        .called_name()
        .map_or(Decision::NONE, |name| tables.argv(name, exec.arguments()));
    combine_exec(path.exec, load, named, called)
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
        guarded,
    } = part;
    let verdict = decision.verdict();
    if guarded {
        return "a rule asks about or denies something below this directory, and moving it would take that out of the rule's sight"
            .to_owned();
    }
    if let Some(id) = decision.rule() {
        return match tables.cite(id) {
            Some((section, text, line, RuleKind::Written)) => {
                format!("`{text}` in {section}.{verdict} (line {line})")
            }
            Some((section, text, _, RuleKind::BuiltIn)) => format!("`{text}` is built in for {section}"),
            None => format!("rule {id}"),
        };
    }
    match verdict {
        Verdict::Ungoverned => format!("`{section}` is absent, so this is not governed"),
        Verdict::Allow if tables.defaults().section(section) != decision => {
            "binding no particular address and port is allowed".to_owned()
        }
        _ => format!("no rule of {section} matches, and its default is {verdict}"),
    }
}
