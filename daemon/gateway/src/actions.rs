//! What a record's action acts on, for people and for the policy evaluator.

use std::net::SocketAddr;

use aa_bpf::abi;
use aa_bpf::record::Record;
use aa_policy::{Action, ExecAction, HostName, Privilege, ProgramKind, Protocol};
use aa_wire::event::Object;
use aa_wire::{EscapedBytes, Pid};

/// Numbers of `IPPROTO_*`, which records carry.
const TCP: u16 = 6;
const UDP: u16 = 17;
const SCTP: u16 = 132;
const UDPLITE: u16 = 136;
const MPTCP: u16 = 262;

/// The object of the action; `None` for actions that have none. `names` led to its address.
pub(crate) fn object(record: &Record, names: &[EscapedBytes]) -> Option<Object> {
    let family = |known: &[(u16, &str)], number: u16| {
        let name = known
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, name)| (*name).to_owned());
        name.unwrap_or_else(|| number.to_string())
    };
    match u32::from(record.action) {
        abi::AA_ACTION_CONNECT | abi::AA_ACTION_SEND => Some(address(record, names)),
        abi::AA_ACTION_SEND_DATA => (record.port != 0).then(|| address(record, names)),
        abi::AA_ACTION_BIND | abi::AA_ACTION_LISTEN => Some(address(record, &[])),
        abi::AA_ACTION_RECEIVE_FD if record.object.is_empty() => Some(address(record, names)),
        abi::AA_ACTION_UNIX_CONNECT | abi::AA_ACTION_UNIX_SEND | abi::AA_ACTION_RECEIVE_FD => Some(Object::Unix {
            name: EscapedBytes::from_bytes(&record.object),
        }),
        abi::AA_ACTION_SOCKET => Some(Object::Socket {
            family: family(FAMILIES, record.family),
            socket_type: family(SOCKET_TYPES, record.socket_type),
            protocol: record.protocol,
        }),
        abi::AA_ACTION_SIGNAL | abi::AA_ACTION_PTRACE => Some(Object::Process {
            pid: Pid(record.other_pid),
        }),
        abi::AA_ACTION_ARGV => Some(Object::Arguments {
            arguments: EscapedBytes::from_bytes(&blanks(&record.object)),
        }),
        _ if record.object.is_empty() && record.object_flags == 0 => None,
        _ => Some(Object::Path {
            path: EscapedBytes::from_bytes(&record.object),
            flags: flags(record.object_flags),
        }),
    }
}

/// Whether the action is to send data, of which the gateway knows what was found in it.
pub(crate) fn is_of_data(record: &Record) -> bool {
    u32::from(record.action) == abi::AA_ACTION_SEND_DATA
}

/// Whether a record says which action exactly was asked about. Of data that are denied outright the words are the question's number.
pub(crate) fn exact(record: &Record) -> bool {
    record.digest != [0, 0] && !(is_of_data(record) && record.other_pid == 0)
}

/// The second object: a path, or for an exec its arguments.
pub(crate) fn second_object(record: &Record) -> Option<Object> {
    // What a person is asked about stands in the list of asks; the log keeps no arguments.
    if record.second.is_empty() || (record.digest != [0, 0] && is_exec(record)) {
        return None;
    }
    Some(match u32::from(record.action) {
        abi::AA_ACTION_EXEC | abi::AA_ACTION_ARGV => Object::Arguments {
            arguments: EscapedBytes::from_bytes(&blanks(&record.second)),
        },
        _ => Object::Path {
            path: EscapedBytes::from_bytes(&record.second),
            flags: Vec::new(),
        },
    })
}

/// Everything the action acts on, for a person who is asked about it: each argument is told from the next.
pub(crate) fn in_words(record: &Record, names: &[EscapedBytes]) -> String {
    let object = object(record, names).map_or_else(String::new, |object| object.to_string());
    match u32::from(record.action) {
        _ if is_exec(record) => {
            let path = aa_wire::text::escape(&record.object);
            let words = arguments(&record.second).into_iter().map(|argument| quoted(&argument));
            std::iter::once(path).chain(words).collect::<Vec<_>>().join(" ")
        }
        _ => second_object(record).map_or(object.clone(), |second| format!("{object} -> {second}")),
    }
}

fn quoted(argument: &[u8]) -> String {
    let text = aa_wire::text::escape(argument);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte);
    if !text.is_empty() && argument.iter().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The same as the policy evaluator asks for it; `None` where policies have nothing to say.
pub(crate) fn policy_action(record: &Record, names: &[EscapedBytes]) -> Option<Action> {
    let path = || Some(record.object.clone()).filter(|path| path.starts_with(b"/"));
    let socket = || SocketAddr::new(record.address, record.port);
    Some(match u32::from(record.action) {
        abi::AA_ACTION_OPEN_READ => Action::Read { path: path()? },
        abi::AA_ACTION_OPEN_WRITE
        | abi::AA_ACTION_CREATE
        | abi::AA_ACTION_UNLINK
        | abi::AA_ACTION_SYMLINK
        | abi::AA_ACTION_TRUNCATE
        | abi::AA_ACTION_MKDIR
        | abi::AA_ACTION_RMDIR
        | abi::AA_ACTION_CHMOD
        | abi::AA_ACTION_CHOWN
        | abi::AA_ACTION_MKNOD => Action::Write { path: path()? },
        abi::AA_ACTION_RENAME => Action::Rename {
            old: path()?,
            new: record.second.clone(),
            directory: has(record.object_flags, abi::AA_OBJECT_DIRECTORY),
        },
        abi::AA_ACTION_LINK => Action::Link {
            old: path()?,
            new: record.second.clone(),
        },
        abi::AA_ACTION_LOAD => Action::Load { path: path()? },
        abi::AA_ACTION_EXEC => Action::Exec(exec(record, arguments(&record.second))),
        abi::AA_ACTION_ARGV if record.object.starts_with(b"/") => Action::Exec(exec(record, arguments(&record.second))),
        abi::AA_ACTION_CONNECT | abi::AA_ACTION_SEND if names.is_empty() => Action::Connect {
            address: socket(),
            protocol: protocol(record.protocol),
        },
        abi::AA_ACTION_CONNECT | abi::AA_ACTION_SEND => Action::ConnectBound {
            address: socket(),
            protocol: protocol(record.protocol),
            names: names
                .iter()
                .filter_map(|name| HostName::parse(name.as_str()).ok())
                .collect(),
        },
        abi::AA_ACTION_BIND | abi::AA_ACTION_LISTEN => Action::Bind {
            address: socket(),
            protocol: protocol(record.protocol),
        },
        abi::AA_ACTION_UNIX_CONNECT | abi::AA_ACTION_UNIX_SEND => Action::Unix {
            name: record.object.clone(),
        },
        abi::AA_ACTION_SETUID => Action::Use {
            privilege: Privilege::Setuid,
        },
        abi::AA_ACTION_USERNS => Action::Use {
            privilege: Privilege::Userns,
        },
        abi::AA_ACTION_IO_URING => Action::Use {
            privilege: Privilege::IoUring,
        },
        _ => return None,
    })
}

fn is_exec(record: &Record) -> bool {
    matches!(u32::from(record.action), abi::AA_ACTION_EXEC | abi::AA_ACTION_ARGV)
}

fn exec(record: &Record, argv: Vec<Vec<u8>>) -> ExecAction {
    let kind = if has(record.object_flags, abi::AA_OBJECT_MEMFD) {
        ProgramKind::Memfd
    } else if has(record.object_flags, abi::AA_OBJECT_DELETED) {
        ProgramKind::Deleted
    } else if has(record.object_flags, abi::AA_OBJECT_SCRIPT) {
        ProgramKind::Script
    } else {
        ProgramKind::File
    };
    ExecAction {
        program: record.object.clone(),
        called_as: None,
        argv,
        kind,
        content: None,
    }
}

fn arguments(joined: &[u8]) -> Vec<Vec<u8>> {
    let ended = joined.strip_suffix(&[0]).unwrap_or(joined);
    if ended.is_empty() {
        Vec::new()
    } else {
        ended.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
    }
}

fn blanks(joined: &[u8]) -> Vec<u8> {
    joined
        .iter()
        .map(|byte| if *byte == 0 { b' ' } else { *byte })
        .collect()
}

fn address(record: &Record, names: &[EscapedBytes]) -> Object {
    let protocol = match record.protocol {
        TCP | MPTCP => "tcp".to_owned(),
        UDP | UDPLITE => "udp".to_owned(),
        SCTP => "sctp".to_owned(),
        other => other.to_string(),
    };
    Object::Address {
        address: record.address,
        port: record.port,
        protocol,
        names: names.to_vec(),
    }
}

fn protocol(number: u16) -> Protocol {
    match number {
        TCP | MPTCP => Protocol::Tcp,
        UDP | UDPLITE => Protocol::Udp,
        _ => Protocol::Other,
    }
}

fn has(flags: u32, flag: u32) -> bool {
    flags & flag != 0
}

const FLAGS: &[(u32, &str)] = &[
    (abi::AA_OBJECT_DIRECTORY, "directory"),
    (abi::AA_OBJECT_DELETED, "deleted"),
    (abi::AA_OBJECT_MEMFD, "memfd"),
    (abi::AA_OBJECT_SCRIPT, "script"),
    (abi::AA_OBJECT_ALIASED, "aliased"),
    (abi::AA_OBJECT_TRUNCATED, "truncated"),
];

fn flags(bits: u32) -> Vec<String> {
    FLAGS
        .iter()
        .filter(|(flag, _)| has(bits, *flag))
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

/// Families and types that denials are about; the rest by number.
const FAMILIES: &[(u16, &str)] = &[
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (10, "AF_INET6"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
    (38, "AF_ALG"),
    (40, "AF_VSOCK"),
    (44, "AF_XDP"),
];
const SOCKET_TYPES: &[(u16, &str)] = &[
    (1, "SOCK_STREAM"),
    (2, "SOCK_DGRAM"),
    (3, "SOCK_RAW"),
    (4, "SOCK_RDM"),
    (5, "SOCK_SEQPACKET"),
    (10, "SOCK_PACKET"),
];

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use aa_bpf::record::testing::record_bytes;
    use aa_bpf::record::{RingName, decode};

    use super::*;

    #[test]
    fn an_exec_is_asked_with_its_arguments() {
        let mut record = decode(RingName::Decisions, &record_bytes(1)).unwrap();
        record.second = b"sudo\0-u\0root\0".to_vec();
        let Some(Action::Exec(exec)) = policy_action(&record, &[]) else {
            panic!("an exec")
        };
        assert_eq!(exec.argv, [b"sudo".to_vec(), b"-u".to_vec(), b"root".to_vec()]);
        assert_eq!(second_object(&record).unwrap().to_string(), "sudo -u root ");
    }

    #[test]
    fn an_address_is_shown_in_its_own_family() {
        let mut record = decode(RingName::Decisions, &record_bytes(1)).unwrap();
        record.action = 30;
        record.address = IpAddr::from([10, 0, 0, 1]);
        (record.port, record.protocol) = (443, MPTCP);
        assert_eq!(object(&record, &[]).unwrap().to_string(), "10.0.0.1:443/tcp");
        record.address = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(object(&record, &[]).unwrap().to_string(), "[::1]:443/tcp");
    }

    #[test]
    fn a_path_that_could_not_be_read_is_no_question_for_the_policy() {
        let mut record = decode(RingName::Decisions, &record_bytes(1)).unwrap();
        record.action = 1;
        record.object.clear();
        assert_eq!(policy_action(&record, &[]), None);
        assert_eq!(object(&record, &[]), None);
    }
}
