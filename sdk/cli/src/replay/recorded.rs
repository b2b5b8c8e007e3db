//! A decision of the log as an action again, and what was decided.

use std::net::SocketAddr;

use aa_policy::{Action, ExecAction, HostName, Privilege, ProgramKind, Protocol};
use aa_wire::Event;
use aa_wire::event::{Effect, Object, Verdict};

/// Why an event cannot be replayed, in a few words.
pub(crate) type Untold = String;

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Passed,
    Asked,
    Refused(aa_policy::Verdict),
}

/// Reasons (`AA_REASONS`) for which rules and defaults decide, and asks are answered; what the others deny no policy could allow, or
/// not by rules about the action.
const BY_RULES: [&str; 11] = [
    "rule",
    "default",
    "privilege",
    "guarded-directory",
    "loses-label",
    "asked",
    "approved",
    "refused",
    "no-answer",
    "cannot-wait",
    "nobody-answers",
];

/// What came of it, and why if not by the policy's rules.
pub(super) fn outcome(event: &Event) -> (Outcome, Option<&str>) {
    let outcome = match event.verdict {
        Some(Verdict::Ungoverned | Verdict::Allow) => Outcome::Passed,
        Some(Verdict::Ask) => Outcome::Asked,
        Some(Verdict::Suspend) => Outcome::Refused(aa_policy::Verdict::Suspend),
        Some(Verdict::Kill) => Outcome::Refused(aa_policy::Verdict::Kill),
        None if event.effect == Effect::Allowed => Outcome::Passed,
        Some(Verdict::Deny) | None => DENIED,
    };
    let Some(reason) = &event.reason else {
        return (outcome, None);
    };
    // Of lookups it is told what would allow them where the policy refused them, and not where an address did.
    let lookup = reason.code == "not-looked-up" && event.action == "lookup" && event.would_allow.is_some();
    let by_rules = lookup || BY_RULES.contains(&reason.code.as_str());
    let other = (!by_rules).then_some(reason.text.as_str());
    match (event.effect, other) {
        // Whatever the verdict on the action itself.
        (Effect::Denied | Effect::WouldDeny | Effect::Killed | Effect::Suspended, Some(_)) if outcome < DENIED => {
            (DENIED, other)
        }
        _ => (outcome, other.filter(|_| outcome > Outcome::Passed)),
    }
}

const DENIED: Outcome = Outcome::Refused(aa_policy::Verdict::Deny);

/// The action as policies are asked about it: what the gateway's `actions.rs` makes of a record, read backwards.
pub(crate) fn action(event: &Event) -> Result<Action, Untold> {
    let socket = || address(event.object.as_ref());
    Ok(match event.action.as_str() {
        "open-read" => Action::Read { path: path(event)? },
        "open-write" | "create" | "unlink" | "symlink" | "truncate" | "mkdir" | "rmdir" | "chmod" | "chown"
        | "mknod" => Action::Write { path: path(event)? },
        "rename" => Action::Rename {
            old: path(event)?,
            new: absolute(event.second_object.as_ref())?,
            directory: has(event.object.as_ref(), "directory"),
        },
        "link" => Action::Link {
            old: path(event)?,
            new: absolute(event.second_object.as_ref())?,
        },
        "load" => Action::Load { path: path(event)? },
        "exec" | "exec-argv" => Action::Exec(exec(event)?),
        "connect" | "send" => connect(event.object.as_ref())?,
        "bind" | "listen" => {
            let (address, protocol) = socket()?;
            Action::Bind { address, protocol }
        }
        "unix-connect" | "unix-send" => match &event.object {
            Some(Object::Unix { name }) if !name.is_empty() => Action::Unix { name: name.to_bytes() },
            _ => return Err("the socket has no name in the record".to_owned()),
        },
        "lookup" => match &event.object {
            Some(Object::Host { name }) => Action::Lookup {
                host: host(name.as_str())?,
            },
            _ => return Err(no_object()),
        },
        "setuid" => Action::Use {
            privilege: Privilege::Setuid,
        },
        "user-namespace" => Action::Use {
            privilege: Privilege::Userns,
        },
        "io-uring" => Action::Use {
            privilege: Privilege::IoUring,
        },
        "send-data" => return Err("what is sent inside TLS is not replayed".to_owned()),
        other => {
            let name: String = aa_wire::text::escape(other.as_bytes()).chars().take(40).collect();
            return Err(format!("no rule can be about `{name}`"));
        }
    })
}

fn no_object() -> Untold {
    "the record does not hold on what".to_owned()
}

fn has(object: Option<&Object>, flag: &str) -> bool {
    matches!(object, Some(Object::Path { flags, .. }) if flags.iter().any(|own| own == flag))
}

fn path(event: &Event) -> Result<Vec<u8>, Untold> {
    absolute(event.object.as_ref())
}

fn absolute(object: Option<&Object>) -> Result<Vec<u8>, Untold> {
    match object {
        Some(Object::Path { .. }) if has(object, "truncated") => {
            Err("the record holds only the beginning of a path".to_owned())
        }
        Some(Object::Path { path, .. }) if path.as_str().starts_with('/') => Ok(path.to_bytes()),
        _ => Err("the record holds no path".to_owned()),
    }
}

/// Of what was decided by its arguments the record has the program as if it were these.
fn exec(event: &Event) -> Result<ExecAction, Untold> {
    let object = event.object.as_ref();
    let kinds = [
        ("memfd", ProgramKind::Memfd),
        ("deleted", ProgramKind::Deleted),
        ("script", ProgramKind::Script),
    ];
    let kind = kinds.into_iter().find(|(flag, _)| has(object, flag));
    let kind = kind.map_or(ProgramKind::File, |(_, kind)| kind);
    let program = match object {
        Some(Object::Arguments { arguments }) if arguments.as_str().starts_with('/') => arguments.to_bytes(),
        Some(Object::Path { path, .. }) if matches!(kind, ProgramKind::Memfd | ProgramKind::Deleted) => path.to_bytes(),
        _ => absolute(object)?,
    };
    Ok(ExecAction {
        argv: arguments(event).unwrap_or_else(|| vec![program.clone()]),
        program,
        called_as: None,
        kind,
        content: None,
    })
}

/// The arguments, where the record has them: words, for blanks stand between them.
pub(super) fn arguments(event: &Event) -> Option<Vec<Vec<u8>>> {
    let Some(Object::Arguments { arguments }) = &event.second_object else {
        return None;
    };
    let joined = arguments.to_bytes();
    let ended = joined.strip_suffix(b" ").unwrap_or(&joined);
    Some(ended.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect())
}

fn host(name: &str) -> Result<HostName, Untold> {
    HostName::parse(name).map_err(|_| "a name in the record is no host's".to_owned())
}

fn address(object: Option<&Object>) -> Result<(SocketAddr, Protocol), Untold> {
    let Some(Object::Address {
        address,
        port,
        protocol,
        ..
    }) = object
    else {
        return Err("the record holds no address".to_owned());
    };
    let protocol = match protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => Protocol::Other,
    };
    Ok((SocketAddr::new(*address, *port), protocol))
}

fn connect(object: Option<&Object>) -> Result<Action, Untold> {
    let (address, protocol) = address(object)?;
    let Some(Object::Address { names, .. }) = object.filter(|object| names_of(object) > 0) else {
        return Ok(Action::Connect { address, protocol });
    };
    let names = names.iter().map(|name| host(name.as_str())).collect::<Result<_, _>>()?;
    Ok(Action::ConnectBound {
        address,
        protocol,
        names,
    })
}

/// How many names led to an address.
pub(super) fn names_of(object: &Object) -> usize {
    match object {
        Object::Address { names, .. } => names.len(),
        _ => 0,
    }
}
