//! The actions a policy is asked about, and how they are written in `expect` lines and explanations.

use crate::content::ContentHash;
use crate::host::HostName;
use crate::privileges::Privilege;
use crate::request::HttpAction;
use crate::tool::ToolAction;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// The transport of a connection, as far as rules tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP and MPTCP.
    Tcp,
    /// UDP and UDP-Lite.
    Udp,
    /// Everything without ports: ICMP, raw.
    Other,
}

/// What kind of program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramKind {
    /// A program file with a name.
    File,
    /// A `#!` script; the exec of its interpreter is an action of its own.
    Script,
    /// An anonymous memory file.
    Memfd,
    /// A file that was unlinked.
    Deleted,
}

/// One program about to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExecAction {
    /// The resolved path of the file.
    pub program: Vec<u8>,
    /// The path or name it was called by, where known; its last component counts.
    pub called_as: Option<Vec<u8>>,
    /// The arguments with `argv[0]`, which no rule looks at.
    pub argv: Vec<Vec<u8>>,
    /// What the kernel found the file to be.
    pub kind: ProgramKind,
    /// What is in it, where known.
    pub content: Option<ContentHash>,
}

/// Something a governed process is about to do. Paths are absolute bytes without trailing slash, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Open for reading.
    Read {
        /// The file.
        path: Vec<u8>,
    },
    /// Open for writing, create, mkdir, mknod, symlink, truncate, unlink, rmdir, chmod, chown.
    Write {
        /// The file.
        path: Vec<u8>,
    },
    /// Open for both.
    ReadWrite {
        /// The file.
        path: Vec<u8>,
    },
    /// Give a file another name.
    Rename {
        /// Its name so far.
        old: Vec<u8>,
        /// Its new name.
        new: Vec<u8>,
        /// Whether it is a directory.
        directory: bool,
    },
    /// Give a file a second name.
    Link {
        /// Its name so far.
        old: Vec<u8>,
        /// The second name.
        new: Vec<u8>,
    },
    /// Run a program.
    Exec(ExecAction),
    /// Map a file executable.
    Load {
        /// The file.
        path: Vec<u8>,
    },
    /// Connect or send to an address.
    Connect {
        /// The remote end.
        address: SocketAddr,
        /// The transport.
        protocol: Protocol,
    },
    /// Connect or send to a host by name, wherever that leads.
    ConnectHost {
        /// The host.
        host: HostName,
        /// Its port; 0 for what has none.
        port: u16,
        /// The transport.
        protocol: Protocol,
    },
    /// Connect or send to an address that the resolver gave for these names to the same agent, and not too long ago.
    ConnectBound {
        /// The remote end.
        address: SocketAddr,
        /// The transport.
        protocol: Protocol,
        /// The names, at least one.
        names: Vec<HostName>,
    },
    /// Look a name up.
    Lookup {
        /// The name.
        host: HostName,
    },
    /// Bind a local address.
    Bind {
        /// The local end.
        address: SocketAddr,
        /// The transport.
        protocol: Protocol,
    },
    /// Do what no governed process may do unless its policy lists it.
    Use {
        /// What.
        privilege: Privilege,
    },
    /// Call a model.
    Model {
        /// As a request names it.
        name: String,
    },
    /// Call a tool.
    Tool(ToolAction),
    /// Ask for something over HTTP.
    Http(HttpAction),
    /// Any other action, by who carries these labels.
    Carrying {
        /// Names of labels, at least one.
        labels: Vec<String>,
        /// What is done.
        action: Box<Action>,
    },
    /// Connect or send to a unix socket: its resolved path, or `@` and the abstract name.
    Unix {
        /// Path or `@name`.
        name: Vec<u8>,
    },
}

impl ExecAction {
    /// The last component of the resolved path.
    pub fn name(&self) -> &[u8] {
        base_name(&self.program)
    }

    /// The last component of what it was called by, if that differs from [`Self::name`].
    pub fn called_name(&self) -> Option<&[u8]> {
        self.called_as
            .as_deref()
            .map(base_name)
            .filter(|called| *called != self.name() && !called.is_empty())
    }

    /// The arguments after `argv[0]`.
    pub fn arguments(&self) -> &[Vec<u8>] {
        self.argv.get(1..).unwrap_or_default()
    }
}

/// The bytes after the last slash.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn show(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !"'\"\\".contains(c));
    if plain {
        text.into_owned()
    } else {
        format!("'{}'", text.escape_default().to_string().replace("\\'", "'\\''"))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |protocol: &Protocol| match protocol {
            Protocol::Tcp => "",
            Protocol::Udp => "/udp",
            Protocol::Other => "/other",
        };
        match self {
            Self::Read { path } => write!(f, "read {}", show(path)),
            Self::Write { path } => write!(f, "write {}", show(path)),
            Self::ReadWrite { path } => write!(f, "read and write {}", show(path)),
            Self::Rename { old, new, directory } => {
                write!(
                    f,
                    "rename {}{} {}",
                    show(old),
                    if *directory { "/" } else { "" },
                    show(new)
                )
            }
            Self::Link { old, new } => write!(f, "link {} {}", show(old), show(new)),
            Self::Load { path } => write!(f, "load {}", show(path)),
            Self::Connect { address, protocol } => write!(f, "connect {address}{}", suffix(protocol)),
            Self::ConnectHost {
                host,
                protocol: Protocol::Other,
                ..
            } => write!(f, "connect {host}/other"),
            Self::ConnectHost { host, port, protocol } => write!(f, "connect {host}:{port}{}", suffix(protocol)),
            Self::ConnectBound {
                address,
                protocol,
                names,
            } => {
                write!(f, "connect {address}{} as", suffix(protocol))?;
                names.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::Lookup { host } => write!(f, "dns {host}"),
            Self::Bind { address, protocol } => write!(f, "bind {address}{}", suffix(protocol)),
            Self::Unix { name } => write!(f, "unix {}", show(name)),
            Self::Model { name } => write!(f, "model {}", show(name.as_bytes())),
            Self::Tool(call) => {
                write!(f, "tool {}", show(call.name.as_bytes()))?;
                call.arguments
                    .iter()
                    .try_for_each(|arguments| write!(f, " {arguments}"))
            }
            Self::Http(request) => request.fmt(f),
            Self::Use { privilege } => write!(f, "use {privilege}"),
            Self::Carrying { labels, action } => write!(f, "{action} carrying {}", labels.join(" ")),
            Self::Exec(exec) => match exec.kind {
                ProgramKind::Memfd => f.write_str("memfd"),
                ProgramKind::Deleted => f.write_str("deleted"),
                ProgramKind::File | ProgramKind::Script => {
                    f.write_str("exec ")?;
                    if let Some(content) = exec.content {
                        write!(f, "{content} ")?;
                    }
                    f.write_str(&show(&exec.program))?;
                    exec.arguments()
                        .iter()
                        .try_for_each(|argument| write!(f, " {}", show(argument)))
                }
            },
        }
    }
}
