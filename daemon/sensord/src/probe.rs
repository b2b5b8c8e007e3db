//! What the self-test's process tries: one table, an allowed and a denied action for each hook.

mod cgroup;
mod flows;

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;

use aa_bpf::probe::{
    Child, limit, new_file_system, own, picked_file_system, prioritise, prioritise_io, route, set_up_ring,
};
use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrIn, sendmmsg, setsockopt, socket,
};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, Uid, execv, getgroups, getpid, getppid, setgroups, setresuid};

use crate::plan;

/// Files each side of the area begins with.
pub(crate) const PREPARED: [&str; 8] = [
    "read",
    "write",
    "unlinked",
    "renamed",
    "linked",
    "truncated",
    "changed",
    "program",
];

/// Programs that lie where none may be run: what is in the first is listed.
pub(crate) const BY_CONTENT: [(&str, &str); 2] = [("listed", "#!/bin/true listed\n"), ("unlisted", "#!/bin/true\n")];

/// One attempt.
pub(crate) struct Attempt {
    pub(crate) hook: &'static str,
    pub(crate) probe: String,
    pub(crate) expected: &'static str,
    pub(crate) got: String,
}

type Try = fn(&Path) -> io::Result<()>;

/// Hooks tried by a path: the same function in the allowed and in the denied folder.
const BY_PATH: [(&str, &str, Try); 18] = [
    ("file_open", "open for reading", |folder| {
        File::open(folder.join("read")).map(|_| ())
    }),
    ("file_open", "open for writing", |folder| {
        OpenOptions::new().write(true).open(folder.join("write")).map(|_| ())
    }),
    ("task_alloc", "open for reading from a child", read_in_child),
    ("path_mknod", "create a file", |folder| {
        File::create_new(folder.join("created")).map(|_| ())
    }),
    ("path_unlink", "remove a file", |folder| {
        fs::remove_file(folder.join("unlinked"))
    }),
    ("path_rename", "rename a file", |folder| {
        fs::rename(folder.join("renamed"), folder.join("renamed-away"))
    }),
    ("path_link", "make a hard link", |folder| {
        fs::hard_link(folder.join("linked"), folder.join("link"))
    }),
    ("path_symlink", "make a symbolic link", |folder| {
        symlink("read", folder.join("symlink"))
    }),
    ("path_truncate", "truncate a file", |folder| {
        let name = CString::new(folder.join("truncated").as_os_str().as_encoded_bytes())?;
        Ok(nix::unistd::truncate(name.as_c_str(), 0)?)
    }),
    ("path_mkdir", "make a directory", |folder| {
        DirBuilder::new().create(folder.join("made"))
    }),
    ("path_rmdir", "remove a directory", |folder| {
        fs::remove_dir(folder.join("emptied"))
    }),
    ("path_chmod", "change permissions", |folder| {
        fs::set_permissions(folder.join("changed"), fs::Permissions::from_mode(0o600))
    }),
    ("path_chown", "change the owner", |folder| {
        chown(folder.join("changed"), Some(0), Some(0))
    }),
    ("bprm_check_security", "run a program", |folder| {
        Command::new(folder.join("program")).status().map(|_| ())
    }),
    ("mmap_file", "map a file as code", map_as_code),
    ("unix_stream_connect", "connect to a unix socket", |folder| {
        UnixStream::connect(folder.join("stream")).map(|_| ())
    }),
    ("unix_may_send", "send to a unix socket", |folder| {
        UnixDatagram::unbound()?
            .send_to(b"x", folder.join("datagram"))
            .map(|_| ())
    }),
    ("path_mknod", "bind a unix socket", |folder| {
        UnixDatagram::bind(folder.join("bound")).map(|_| ())
    }),
];

/// A child inherits before its first instruction: `cat` is one that opens at once.
fn read_in_child(folder: &Path) -> io::Result<()> {
    let output = Command::new("cat").arg(folder.join("read")).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Errno::EPERM.into())
    }
}

/// The file is opened first, so the denied side is one that may be read and not run.
fn map_as_code(folder: &Path) -> io::Result<()> {
    let file = if folder.ends_with("denied") {
        "/etc/passwd"
    } else {
        "/bin/true"
    };
    aa_bpf::probe::map_code(&File::open(file)?)
}

type TryAddress = fn(&str, [u16; 2]) -> io::Result<()>;

/// Hooks tried by an address: 127.0.0.1 may be reached, 127.0.0.2 may not.
const BY_ADDRESS: [(&str, &str, TryAddress); 6] = [
    ("socket_connect", "connect", |address, ports| {
        TcpStream::connect((address, ports[0])).map(|_| ())
    }),
    ("socket_connect", "connect a datagram socket", |address, ports| {
        UdpSocket::bind("127.0.0.1:0")?.connect((address, ports[1]))
    }),
    ("socket_sendmsg", "send a datagram", |address, ports| {
        UdpSocket::bind("127.0.0.1:0")?
            .send_to(b"x", (address, ports[1]))
            .map(|_| ())
    }),
    ("sendmsg4", "send a second datagram in one call", second_datagram),
    ("socket_bind", "bind", |address, _| {
        UdpSocket::bind((address, 0)).map(|_| ())
    }),
    ("socket_listen", "listen", |address, _| {
        TcpListener::bind((address, 0)).map(|_| ())
    }),
];

/// sendmmsg(2) judges the first address in the LSM hook; the second goes where it should not.
fn second_datagram(address: &str, ports: [u16; 2]) -> io::Result<()> {
    let descriptor = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let parse = |address: &str| address.parse::<Ipv4Addr>().map_err(io::Error::other);
    let to = |address: Ipv4Addr| SockaddrIn::from(std::net::SocketAddrV4::new(address, ports[1]));
    let addresses = [Some(to(parse("127.0.0.1")?)), Some(to(parse(address)?))];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(addresses.len(), None);
    let slices = [[io::IoSlice::new(b"x")], [io::IoSlice::new(b"x")]];
    let sent = sendmmsg(
        descriptor.as_raw_fd(),
        &mut headers,
        &slices,
        addresses,
        [],
        MsgFlags::empty(),
    )?
    .count();
    if sent == addresses.len() {
        Ok(())
    } else {
        Err(Errno::EPERM.into())
    }
}

/// A loopback address that a name was answered with, and one that none was.
pub(crate) const BOUND: &str = "127.0.0.3";
const UNBOUND: &str = "127.0.0.4";

/// A connection to a name server must lead to the resolver, for which our own datagram socket stands.
fn ask_name_server(ports: [u16; 2]) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    // TEST-NET-1 (RFC 5737): nobody is there.
    socket.connect("192.0.2.53:53")?;
    if socket.peer_addr()? == SocketAddr::from((Ipv4Addr::LOCALHOST, ports[1])) {
        Ok(())
    } else {
        Err(io::Error::other("it led elsewhere"))
    }
}

/// Application data in TLS of which no probe saw anything: as much as looks like the end of a handshake, and a byte more.
const BLIND: [(&str, u8, &str); 2] = [
    ("end a handshake of TLS that nobody reads", 69, "allowed"),
    ("send in TLS that nobody reads", 70, "denied"),
];

/// The beginning of a handshake, and a record of so many bytes of application data (RFC 8446, 5.1).
fn send_blind(ports: [u16; 2], bytes: u8) -> io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", ports[0]))?;
    stream.write_all(&[22, 3, 1, 0, 4, 1, 0, 0, 0])?;
    let mut record = vec![23, 3, 3, 0, bytes];
    record.extend(vec![0; bytes.into()]);
    stream.write_all(&record)
}

/// Hooks that deny at all times: (hook, what, the allowed counterpart, the denied).
type TryAlways = fn(&Path) -> io::Result<()>;
const ALWAYS: [(&str, &str, TryAlways, TryAlways); 19] = [
    (
        plan::READS_CONTENT,
        "run a program that is not allowed by what is in it",
        |area| run_by_content(area, 0),
        |area| run_by_content(area, 1),
    ),
    (
        "socket_create",
        "open a raw socket",
        |_| open_socket(SockType::Datagram),
        |_| open_socket(SockType::Raw),
    ),
    (
        "task_kill",
        "signal a process of somebody else",
        |_| signal_own_child(),
        |_| Ok(kill(getppid(), Signal::SIGCONT)?),
    ),
    (
        "ptrace_access_check",
        "read the memory of somebody else's process",
        |_| read_memory(getpid()),
        |_| read_memory(getppid()),
    ),
    (
        "sb_mount",
        "mount",
        |_| Ok(()),
        |area| {
            Ok(mount(
                Some("none"),
                &area.join("allowed/mount"),
                Some("tmpfs"),
                MsFlags::empty(),
                None::<&str>,
            )?)
        },
    ),
    (
        "userns_create",
        "create a user namespace",
        |_| Ok(()),
        |_| Ok(unshare(CloneFlags::CLONE_NEWUSER)?),
    ),
    (
        "bprm_creds_from_file",
        "have a program give back a capability",
        |area| run_as_root(area, false),
        |area| run_as_root(area, true),
    ),
    (
        "inode_init_security_anon",
        "set up an io_uring",
        |_| Ok(()),
        |_| set_up_ring(),
    ),
    (
        "bpf",
        "use the bpf system call",
        |_| Ok(()),
        |_| aa_bpf::probe::call_bpf(),
    ),
    (
        "file_ioctl",
        "type into a terminal",
        |_| Ok(()),
        |area| aa_bpf::probe::type_into(&File::open(area.join("allowed/read"))?),
    ),
    (
        "task_setrlimit",
        "limit somebody else's process",
        |_| limit(getpid()),
        |_| limit(getppid()),
    ),
    (
        "task_setscheduler",
        "choose the processors of somebody else's process",
        |_| Ok(sched_setaffinity(getpid(), &sched_getaffinity(getpid())?)?),
        |_| Ok(sched_setaffinity(getppid(), &sched_getaffinity(getpid())?)?),
    ),
    (
        "task_setnice",
        "choose the priority of somebody else's process",
        |_| prioritise(getpid()),
        |_| prioritise(getppid()),
    ),
    (
        "task_setioprio",
        "choose the I/O priority of somebody else's process",
        |_| prioritise_io(getpid()),
        |_| prioritise_io(getppid()),
    ),
    (
        "file_fcntl",
        "have somebody else signalled",
        |area| own(&File::open(area.join("allowed/read"))?, getpid()),
        |area| own(&File::open(area.join("allowed/read"))?, getppid()),
    ),
    (
        "sb_set_mnt_opts",
        "make a file system",
        |_| new_file_system(false),
        |_| new_file_system(true),
    ),
    (
        "sb_remount",
        "remount what was picked",
        |_| picked_file_system(c"/dev", false),
        |_| picked_file_system(c"/dev", true),
    ),
    (
        "socket_setsockopt",
        "set a source route",
        |_| route(&UdpSocket::bind("127.0.0.1:0")?, false),
        |_| route(&UdpSocket::bind("127.0.0.1:0")?, true),
    ),
    (
        "capable",
        "have a larger buffer than anybody may (net_admin)",
        |_| Ok(setgroups(&getgroups()?)?),
        |_| Ok(setsockopt(&UdpSocket::bind("127.0.0.1:0")?, RcvBufForce, &4096)?),
    ),
];

fn run_by_content(area: &Path, which: usize) -> io::Result<()> {
    let name = BY_CONTENT.get(which).map_or("", |(name, _)| name);
    Command::new(area.join("content").join(name)).status().map(|_| ())
}

fn open_socket(kind: SockType) -> io::Result<()> {
    let protocol = (kind == SockType::Raw).then_some(nix::sys::socket::SockProtocol::Icmp);
    socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, protocol)?;
    Ok(())
}

/// Runs a program as who is root only in effect, for whom a program is as good as one with the set-user-ID bit: it has every
/// capability that there is to have, also the one that was `dropped`.
fn run_as_root(area: &Path, dropped: bool) -> io::Result<()> {
    const NOBODY: Uid = Uid::from_raw(65_534);
    Child::start(|| {
        setresuid(NOBODY, Uid::from_raw(0), Uid::from_raw(0))?;
        if dropped {
            for set in [CapSet::Effective, CapSet::Permitted] {
                caps::drop(None, set, Capability::CAP_SETUID).map_err(io::Error::other)?;
            }
        }
        let program = CString::new(area.join("allowed/program").as_os_str().as_encoded_bytes())?;
        execv(&program, &[&program])?;
        Ok(())
    })?
    .end()
}

fn signal_own_child() -> io::Result<()> {
    let mut child = Command::new("sleep").arg("60").spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let killed = kill(Pid::from_raw(pid), Signal::SIGKILL);
    child.wait()?;
    Ok(killed?)
}

/// One byte at an address that is not mapped: EFAULT where it may be tried, EPERM where it may not.
fn read_memory(pid: Pid) -> io::Result<()> {
    let mut byte = [0_u8];
    let remote = [RemoteIoVec { base: 8, len: 1 }];
    match process_vm_readv(pid, &mut [io::IoSliceMut::new(&mut byte)], &remote) {
        Ok(_) | Err(Errno::EFAULT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tries everything, the allowed before the denied, and tells each; `at_cgroups`: what programs at cgroups judge.
pub(crate) fn try_all(area: &Path, ports: [u16; 2], at_cgroups: bool, mut tell: impl FnMut(Attempt)) {
    let mut note = |hook, probe: String, expected, result: io::Result<()>| {
        let got = match result {
            Ok(()) => "allowed".to_owned(),
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => "denied".to_owned(),
            Err(error) => error.to_string(),
        };
        tell(Attempt {
            hook,
            probe,
            expected,
            got,
        });
    };
    if at_cgroups {
        cgroup::try_all(area, ports, &mut note);
        return;
    }
    for (hook, what, attempt) in BY_PATH {
        note(hook, what.to_owned(), "allowed", attempt(&area.join("allowed")));
        note(hook, what.to_owned(), "denied", attempt(&area.join("denied")));
    }
    for (hook, what, attempt) in BY_ADDRESS {
        note(
            hook,
            format!("{what} (127.0.0.1)"),
            "allowed",
            attempt("127.0.0.1", ports),
        );
        note(
            hook,
            format!("{what} (127.0.0.2)"),
            "denied",
            attempt("127.0.0.2", ports),
        );
    }
    let connect = |address| TcpStream::connect((address, ports[0])).map(|_| ());
    let hook = "socket_connect";
    note(
        hook,
        format!("connect to what a name leads to ({BOUND})"),
        "allowed",
        connect(BOUND),
    );
    note(
        hook,
        format!("connect to what none leads to ({UNBOUND})"),
        "denied",
        connect(UNBOUND),
    );
    note(
        "connect4",
        "ask a name server".to_owned(),
        "allowed",
        ask_name_server(ports),
    );
    for (what, bytes, expected) in BLIND {
        note("socket_sendmsg", what.to_owned(), expected, send_blind(ports, bytes));
    }
    for (hook, what, allowed, denied) in ALWAYS {
        note(hook, format!("{what}: the harmless kind"), "allowed", allowed(area));
        note(hook, what.to_owned(), "denied", denied(area));
    }
    // What processes share that were traced, they share from then on: the plain file goes all its ways first.
    for (from, expected) in [("allowed/read", "allowed"), ("labelled/key", "denied")] {
        for flow in &flows::FLOWS {
            let kind = if expected == "denied" { "labelled" } else { "plain" };
            let got = flow.send_at_end(&area.join(from), area, ports[1]);
            note(flow.hook, format!("{}: {kind}", flow.what), expected, got);
        }
    }
}
