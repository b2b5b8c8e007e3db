//! Labels in the self-test: ways that what is in a file takes to another process, which then sends something.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aa_bpf::probe::{Child, share_memory};
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::{Pid, getpid, pipe};

use super::read_memory;

/// How long one waits for another.
const PATIENCE: Duration = Duration::from_secs(10);

/// One way, proving one hook. It is gone in a child, which carries the label from then on.
pub(super) struct Flow {
    pub(super) hook: &'static str,
    pub(super) what: &'static str,
    /// Brings what is in the first file to the calling process; the second is a place for more.
    take: fn(&Path, &Path) -> io::Result<()>,
}

const fn flow(hook: &'static str, what: &'static str, take: fn(&Path, &Path) -> io::Result<()>) -> Flow {
    Flow { hook, what, take }
}

pub(super) const FLOWS: [Flow; 11] = [
    flow("file_open", "read it", |from, _| fs::read(from).map(|_| ())),
    flow("file_permission", "read what was written of it", through_file),
    flow("pipe_read", "wait for it at a pipe", |from, _| {
        let (end, other) = pipe()?;
        wait_for(from, end, other)
    }),
    flow("get_pipe_info", "splice it from a pipe", through_splice),
    flow("unix_stream_recvmsg", "wait for it at a stream", |from, _| {
        let (end, other) = pair(SockType::Stream)?;
        wait_for(from, end, other)
    }),
    flow("unix_dgram_recvmsg", "wait for it as a datagram", |from, _| {
        let (end, other) = pair(SockType::Datagram)?;
        wait_for(from, end, other)
    }),
    flow("unix_seqpacket_recvmsg", "wait for it as a packet", |from, _| {
        let (end, other) = pair(SockType::SeqPacket)?;
        wait_for(from, end, other)
    }),
    flow("socket_recvmsg", "receive it", |from, _| {
        let (end, other) = pair(SockType::Stream)?;
        bring(from, other)?.end()?;
        take_one(end)
    }),
    flow("sched_process_fork", "have it read by the parent", |from, _| {
        fs::read(from).map(|_| ())
    }),
    flow("mmap_file", "share memory with who reads it", |from, _| {
        share_memory()?;
        Child::start(|| fs::read(from).map(|_| ()))?.end()
    }),
    flow("ptrace_access_check", "trace who reads it", through_tracing),
];

impl Flow {
    /// Takes the way, and then sends a datagram on a socket that was connected before.
    pub(super) fn send_at_end(&self, from: &Path, area: &Path, port: u16) -> io::Result<()> {
        Child::start(|| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(("127.0.0.1", port))?;
            (self.take)(from, &area.join("allowed")).map_err(not_taken)?;
            let send = || socket.send(b"x").map(|_| ());
            match self.hook {
                "sched_process_fork" => Child::start(send)?.end(),
                _ => send(),
            }
        })?
        .end()
    }
}

/// Only what happens to the datagram proves anything: data that was refused on its way is no proof.
fn not_taken(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(Errno::EPERM as i32) {
        return Errno::ENODATA.into();
    }
    error
}

/// Who waits at one end waits no longer than for [`PATIENCE`]: a datagram socket does not end with its peer.
fn pair(kind: SockType) -> io::Result<(OwnedFd, OwnedFd)> {
    let (end, other) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    setsockopt(
        &end,
        ReceiveTimeout,
        &TimeVal::seconds(PATIENCE.as_secs().cast_signed()),
    )?;
    Ok((end, other))
}

/// A child reads the file and writes it there.
fn bring(from: &Path, there: OwnedFd) -> io::Result<Child> {
    Child::start(|| File::from(there).write_all(&fs::read(from)?))
}

fn take_one(end: OwnedFd) -> io::Result<()> {
    let mut bytes = [0; 64];
    let got = File::from(end).read(&mut bytes)?;
    if got == 0 {
        return Err(Errno::ENODATA.into());
    }
    Ok(())
}

/// The same, but the caller waits at the other end before anything is there.
fn wait_for(from: &Path, end: OwnedFd, there: OwnedFd) -> io::Result<()> {
    let waiting = getpid();
    let child = Child::start(|| {
        until_asleep(waiting)?;
        File::from(there).write_all(&fs::read(from)?)
    })?;
    let taken = take_one(end);
    child.end()?;
    taken
}

fn until_asleep(process: Pid) -> io::Result<()> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        if stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S")) {
            return Ok(());
        }
        sleep(Duration::from_millis(1));
    }
    Err(Errno::ETIMEDOUT.into())
}

/// The file it is written to was open before.
fn through_file(from: &Path, place: &Path) -> io::Result<()> {
    let path = place.join("carried");
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(true).open(path)?;
    let there = file.try_clone()?;
    bring(from, there.into())?.end()?;
    file.rewind()?;
    take_one(file.into())
}

fn through_splice(from: &Path, _: &Path) -> io::Result<()> {
    let (end, there) = pipe()?;
    bring(from, there)?.end()?;
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    splice(end, None, nowhere, None, 64, SpliceFFlags::empty())?;
    Ok(())
}

/// The tracer has looked before the other reads: what it reads then, both have.
fn through_tracing(from: &Path, _: &Path) -> io::Result<()> {
    let (end, there) = pipe()?;
    let child = Child::start(|| {
        take_one(end)?;
        fs::read(from).map(|_| ())
    })?;
    read_memory(child.process())?;
    File::from(there).write_all(b"x")?;
    child.end()
}
