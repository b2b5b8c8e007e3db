//! The event: one thing that happened, as it stands in the audit log, on the control socket and in exports.
//!
//! JSON, one object. Names of files, programs and sockets are bytes chosen by whoever is governed; they are written
//! escaped ([`crate::text`]). Absent parts are left out.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::ids::{AgentId, CgroupId, Generation, Pid, SessionId};
use crate::text::EscapedBytes;
use crate::time::Timestamp;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The record's number in the audit log, from 1 on; 0 until it is recorded. Always the first field of the JSON.
    pub id: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What sort of event this is.
    pub kind: Kind,
    /// What came of it.
    pub effect: Effect,
    /// What the policy said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Who, as the policy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// Who, as the kernel knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
    /// What was attempted: a name of `AA_ACTIONS`, or of the daemon's own doings.
    pub action: String,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// On what else: the new name of a rename or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_object: Option<Object>,
    /// Which policy judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// Which rule of it; absent when a default or a built-in decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The smallest rule that would allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_allow: Option<String>,
    /// For a denial: the caller's user stack, the innermost frame first. In the denial's own record it holds addresses;
    /// an event of kind `stack` names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<Frame>,
    /// Which earlier event this one adds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<u64>,
    /// Of an ask and what its answer led to: which action exactly, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Of the daemon's own events and losses: what there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was said inside TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Box<Exchange>>,
    /// For a loss: how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Where the kernel recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
    /// On which processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// The record's number on that ring and processor; of a loss, the first number that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl Event {
    /// An event that has nothing but a kind, an action and an effect.
    pub fn bare(time: Timestamp, kind: Kind, effect: Effect, action: impl Into<String>) -> Self {
        Self {
            id: 0,
            time,
            kind,
            effect,
            verdict: None,
            agent: None,
            process: None,
            action: action.into(),
            object: None,
            second_object: None,
            policy: None,
            rule: None,
            reason: None,
            would_allow: None,
            stack: Vec::new(),
            about: None,
            digest: None,
            detail: None,
            exchange: None,
            lost: None,
            ring: None,
            cpu: None,
            sequence: None,
        }
    }

    /// Something the daemon itself did or noticed.
    pub fn lifecycle(action: impl Into<String>, effect: Effect, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::bare(Timestamp::now(), Kind::Lifecycle, effect, action)
        }
    }
}

/// What sort of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A governed action was judged.
    Decision,
    /// A governed process began, changed its program or ended.
    Life,
    /// Names for the stack of a denial recorded before.
    Stack,
    /// Something is missing from the record.
    Loss,
    /// The daemon did something: start, policy change, kill.
    Lifecycle,
    /// Somebody answered an ask, or nobody did in time; `about` is the event of the ask.
    Approval,
    /// A governed process said something inside TLS, and was answered.
    Exchange,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It took place.
    Allowed,
    /// It did not.
    Denied,
    /// It took place because the policy only observes.
    WouldDeny,
    /// Whoever tried was killed, and with it the agent where the verdict is `kill`.
    Killed,
    /// It did not, and the agent stands still until it is resumed.
    Suspended,
    /// Not yet known: the process is stopped until somebody answers.
    Held,
}

/// What the policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The policy has no section for this.
    Ungoverned,
    /// Yes.
    Allow,
    /// A person decides.
    Ask,
    /// No.
    Deny,
    /// No, and the agent stands still.
    Suspend,
    /// No, and the agent ends.
    Kill,
}

/// The agent as the policy knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// In the kernel's table.
    pub id: AgentId,
    /// For people; `None` if it was never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which run of it.
    pub session: SessionId,
}

/// The process as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Thread group id in the initial pid namespace.
    pub pid: Pid,
    /// The thread.
    pub tid: u32,
    /// The parent's thread group id.
    pub parent_pid: Pid,
    /// When the process started.
    pub start: Timestamp,
    /// The same on the kernel's boot clock; with `pid` it names the process for good.
    pub start_ns: u64,
    /// The program it runs.
    #[serde(default, skip_serializing_if = "EscapedBytes::is_empty")]
    pub executable: EscapedBytes,
    /// User id.
    pub uid: u32,
    /// Cgroup id.
    pub cgroup: CgroupId,
}

/// On what an action acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A name in the file system.
    Path {
        /// Absolute, as the kernel resolved it.
        path: EscapedBytes,
        /// `directory`, `deleted`, `memfd`, `script`, `aliased`, `truncated`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flags: Vec<String>,
    },
    /// An address of the network.
    Address {
        /// IPv4 as such, also when it came in an IPv6 socket.
        address: IpAddr,
        /// 0 if there is none.
        port: u16,
        /// `tcp`, `udp`, `sctp`, or the protocol's number.
        protocol: String,
        /// The names whose lookup led the agent there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<EscapedBytes>,
    },
    /// A host, by its name.
    Host {
        /// As it was looked up.
        name: EscapedBytes,
    },
    /// A unix socket: a path, or an abstract name after `@`.
    Unix {
        /// Its name; empty if it has none.
        name: EscapedBytes,
    },
    /// A kind of socket.
    Socket {
        /// `AF_INET` and so on, or the number.
        family: String,
        /// `SOCK_RAW` and so on, or the number.
        socket_type: String,
        /// The protocol's number.
        protocol: u16,
    },
    /// Another process.
    Process {
        /// Thread group id in the initial pid namespace.
        pid: Pid,
    },
    /// The arguments of a program, joined by blanks where the kernel has NULs.
    Arguments {
        /// As the kernel read them.
        arguments: EscapedBytes,
    },
}

/// The policy that judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRef {
    /// As in the policy; `None` if this generation is not known here any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// As `aa_policy` computes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Which load of it.
    pub generation: Generation,
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    /// Its number in the policy.
    pub id: u32,
    /// As a person wrote it, with its verdict: `deny: sudo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The file it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line it stands on, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The section it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// How grave what it is about is: `low`, `medium`, `high`, `critical`; where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
}

/// Why it was decided so: a name and sentence of `AA_REASONS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub code: String,
    /// For people.
    pub text: String,
}

/// A frame of a user stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// In the process's memory.
    pub address: u64,
    /// The function, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The file mapped there, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<EscapedBytes>,
    /// From the function's start, or from the module's (offset in the file) where there is no symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Through which of the kernel's rings a record came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ring {
    /// Denials, identity, lifecycle.
    Decisions,
    /// Allowed actions.
    Activity,
    /// TLS plaintext.
    Plaintext,
}

macro_rules! display_as_in_json {
    ($($name:ident { $($variant:ident = $text:literal),* $(,)? })*) => {$(
        impl $name {
            /// The word in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

display_as_in_json! {
    Kind { Decision = "decision", Life = "life", Stack = "stack", Loss = "loss", Lifecycle = "lifecycle", Approval = "approval", Exchange = "exchange" }
    Effect { Allowed = "allowed", Denied = "denied", WouldDeny = "would-deny", Killed = "killed", Suspended = "suspended", Held = "held" }
    Verdict { Ungoverned = "ungoverned", Allow = "allow", Ask = "ask", Deny = "deny", Suspend = "suspend", Kill = "kill" }
    Ring { Decisions = "decisions", Activity = "activity", Plaintext = "plaintext" }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path { path, .. } => path.fmt(f),
            Self::Address {
                address,
                port,
                protocol,
                names,
            } => {
                write!(f, "{}/{protocol}", SocketAddr::new(*address, *port))?;
                for (place, name) in names.iter().enumerate() {
                    write!(f, "{}{name}", if place == 0 { " as " } else { ", " })?;
                }
                Ok(())
            }
            Self::Host { name } => name.fmt(f),
            Self::Unix { name } if name.is_empty() => f.write_str("unix:(unnamed)"),
            Self::Unix { name } => write!(f, "unix:{name}"),
            Self::Socket {
                family,
                socket_type,
                protocol,
            } => write!(f, "{family} {socket_type} protocol {protocol}"),
            Self::Process { pid } => write!(f, "process {pid}"),
            Self::Arguments { arguments } => arguments.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_shown_are_the_words_in_json() {
        for effect in [
            Effect::Allowed,
            Effect::Denied,
            Effect::WouldDeny,
            Effect::Killed,
            Effect::Suspended,
            Effect::Held,
        ] {
            assert_eq!(serde_json::to_string(&effect).unwrap(), format!("\"{effect}\""));
        }
        for kind in [
            Kind::Decision,
            Kind::Life,
            Kind::Loss,
            Kind::Lifecycle,
            Kind::Approval,
            Kind::Exchange,
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        for verdict in [
            Verdict::Ungoverned,
            Verdict::Allow,
            Verdict::Ask,
            Verdict::Deny,
            Verdict::Suspend,
            Verdict::Kill,
        ] {
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("\"{verdict}\""));
        }
    }

    #[test]
    fn an_event_is_one_object_that_begins_with_its_id() {
        let mut event = Event::bare(Timestamp::default(), Kind::Decision, Effect::Denied, "exec");
        event.object = Some(Object::Path {
            path: EscapedBytes::from_bytes(b"/bin/\xff\n"),
            flags: vec![],
        });
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"id":0,"time":"1970-01-01T00:00:00.000000000Z","kind":"decision","effect":"denied","action":"exec","object":{"path":{"path":"/bin/\\xff\\x0a"}}}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
