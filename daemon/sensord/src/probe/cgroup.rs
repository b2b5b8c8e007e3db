//! The self-test where LSM programs are refused: the network at cgroups, and programs, which are killed.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use aa_bpf::probe::{Child, route_by};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, getsockname, listen, socket};

use super::{BOUND, Try, TryAddress, UNBOUND, ask_name_server, open_socket, second_datagram};

/// A connection to who may not be heard waits; one on this machine is there at once.
const PATIENCE: Duration = Duration::from_millis(300);

/// Tried with 127.0.0.1, which may be reached, and 127.0.0.2, which may not.
const BY_ADDRESS: [(&str, &str, TryAddress); 10] = [
    ("connect4", "connect", connect),
    ("connect4", "connect a datagram socket", |address, ports| {
        UdpSocket::bind("127.0.0.1:0")?.connect((address, ports[1]))
    }),
    ("sched_process_fork", "connect in a child", |address, ports| {
        Child::start(|| connect(address, ports))?.end()
    }),
    ("connect6", "connect by an IPv6 socket", |address, ports| {
        connect(&format!("::ffff:{address}"), ports)
    }),
    ("sendmsg4", "send a datagram", |address, ports| {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"x", (address, ports[1])).map(|_| ())
    }),
    ("sendmsg4", "send a second datagram in one call", second_datagram),
    ("egress", "send by another host", |address, ports| {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        route_by(&socket, address.parse().map_err(io::Error::other)?)?;
        socket.send_to(b"x", ("127.0.0.1", ports[1])).map(|_| ())
    }),
    ("bind4", "bind", |address, _| UdpSocket::bind((address, 0)).map(|_| ())),
    ("bind6", "bind an IPv6 socket", |address, _| {
        UdpSocket::bind((format!("::ffff:{address}").as_str(), 0)).map(|_| ())
    }),
    ("ingress", "be heard where it listens", |address, _| {
        // Without a bind the kernel picks a port on all addresses; the rules name only one of these.
        if address == "127.0.0.1" {
            reach(TcpListener::bind((address, 0))?.local_addr()?)
        } else {
            let listener = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
            listen(&listener, Backlog::new(1)?)?;
            let at: SockaddrIn = getsockname(listener.as_raw_fd())?;
            reach((Ipv4Addr::LOCALHOST, at.port()).into())
        }
    }),
];

/// Tried in the allowed and in the denied folder.
const BY_PATH: [(&str, &str, Try); 3] = [
    ("sched_prepare_exec", "run a program", |folder| {
        fs::copy("/bin/true", folder.join("true"))?;
        run(&folder.join("true"), &[])
    }),
    ("sched_prepare_exec", "run a script", |folder| {
        run(&folder.join("program"), &[])
    }),
    // Rules about arguments: the second look at these must find what the first did.
    ("sched_process_exec", "run with an argument", |folder| {
        let argument = if folder.ends_with("denied") {
            "denied"
        } else {
            "allowed"
        };
        run(Path::new("/bin/echo"), &[argument])
    }),
];

/// What is killed was denied.
fn run(program: &Path, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    if status.signal() == Some(Signal::SIGKILL as i32) {
        return Err(Errno::EPERM.into());
    }
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(status.to_string()))
    }
}

fn connect(address: &str, ports: [u16; 2]) -> io::Result<()> {
    TcpStream::connect((address, ports[0])).map(|_| ())
}

fn reach(address: SocketAddr) -> io::Result<()> {
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Errno::EPERM.into()),
        other => other.map(|_| ()),
    }
}

/// Tries everything, the allowed before the denied.
pub(super) fn try_all(
    area: &Path,
    ports: [u16; 2],
    note: &mut impl FnMut(&'static str, String, &'static str, io::Result<()>),
) {
    for (hook, what, attempt) in BY_PATH {
        for (folder, expected) in [("allowed", "allowed"), ("denied", "denied")] {
            note(hook, what.to_owned(), expected, attempt(&area.join(folder)));
        }
    }
    for (hook, what, attempt) in BY_ADDRESS {
        for (address, expected) in [("127.0.0.1", "allowed"), ("127.0.0.2", "denied")] {
            note(hook, format!("{what} ({address})"), expected, attempt(address, ports));
        }
    }
    for (address, expected) in [(BOUND, "allowed"), (UNBOUND, "denied")] {
        let what = format!("connect to where a name leads, or none ({address})");
        note("connect4", what, expected, connect(address, ports));
    }
    note(
        "connect4",
        "ask a name server".into(),
        "allowed",
        ask_name_server(ports),
    );
    for (kind, expected) in [(SockType::Datagram, "allowed"), (SockType::Raw, "denied")] {
        note(
            "sock_create",
            format!("open a socket ({kind:?})"),
            expected,
            open_socket(kind),
        );
    }
    let pair = || UnixStream::pair().map(|_| ());
    note("connect_unix", "a pair of unix sockets".into(), "allowed", pair());
    let stream = UnixStream::connect(area.join("allowed/stream")).map(|_| ());
    note("connect_unix", "connect to a unix socket".into(), "denied", stream);
    let pair = || UnixDatagram::pair().and_then(|(one, _other)| one.send(b"x").map(|_| ()));
    note(
        "sendmsg_unix",
        "send in a pair of unix sockets".into(),
        "allowed",
        pair(),
    );
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"x", area.join("allowed/datagram")));
    note(
        "sendmsg_unix",
        "send to a unix socket".into(),
        "denied",
        sent.map(|_| ()),
    );
}
