//! `aa-prober`: reads programs that agents run, for the sensor, which parses none of their bytes.
//!
//! Standard input is a `SOCK_SEQPACKET` socket from the sensor: each packet is a question with a descriptor, each answer
//! says where TLS functions are in that file ([`aa_probes`]). It opens nothing, starts nothing, reaches nothing: user,
//! capabilities and system calls are given up before the first question. Whoever takes it over by a program made for that
//! can name wrong places to probe in files that agents map, and read those. The sensor ends it when an answer takes too long.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;

use aa_probes::{Answer, Asked, ReadAt, find};
use anyhow::{Context, Result, ensure};
use caps::CapSet;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, User, geteuid, setgroups, setresgid, setresuid};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

mod seccomp;

/// What reading takes at most, bytes; it is bounded to 4 MiB whatever the file (see [`aa_probes`]).
const MEMORY: u64 = 256 << 20;

fn main() -> ExitCode {
    let done = std::env::args()
        .nth(1)
        .context("usage: aa-prober USER; the sensor starts it");
    match done.and_then(|user| confine(&user)).and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aa-prober: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives everything up but the socket.
fn confine(user: &str) -> Result<()> {
    nix::sys::prctl::set_no_new_privs().context("cannot refuse new privileges")?;
    if geteuid().is_root() {
        let account = User::from_name(user).context("cannot read the user database")?;
        let account = account.with_context(|| format!("there is no user `{user}`"))?;
        ensure!(!account.uid.is_root(), "`{user}` is root");
        setgroups(&[account.gid]).context("cannot drop supplementary groups")?;
        setresgid(account.gid, account.gid, account.gid).context("cannot change the group")?;
        setresuid(account.uid, account.uid, account.uid).context("cannot change the user")?;
        for set in [
            CapSet::Ambient,
            CapSet::Inheritable,
            CapSet::Effective,
            CapSet::Permitted,
        ] {
            caps::clear(None, set).with_context(|| format!("cannot clear the capability set {set:?}"))?;
        }
        ensure!(
            nix::unistd::setuid(Uid::from_raw(0)).is_err(),
            "could become root again"
        );
    }
    nix::sys::prctl::set_dumpable(false).context("cannot become undumpable")?;
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY).context("cannot limit memory")?;
    seccomp::apply().context("cannot restrict system calls")
}

/// A file that is asked about.
struct Program(File);

impl ReadAt for Program {
    fn length(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }
}

/// Answers until the sensor closes the socket.
fn serve() -> Result<()> {
    let socket = io::stdin();
    let socket = socket.as_fd();
    while let Some((asked, file)) = next(socket).context("cannot hear the sensor")? {
        let answer = Answer::new(asked.number, find(&file));
        send(socket, &answer.encode(), SendFlags::NOSIGNAL).context("cannot answer the sensor")?;
    }
    Ok(())
}

/// The next question; none at the end.
fn next(socket: BorrowedFd<'_>) -> Result<Option<(Asked, Program)>> {
    let mut packet = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut packet)];
    let length = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let mut file = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            file = descriptors.next().map(|descriptor| Program(File::from(descriptor)));
        }
    }
    if length == 0 {
        return Ok(None);
    }
    let asked = Asked::decode(packet.get(..length).unwrap_or_default())?;
    Ok(Some((asked, file.context("a question without a file")?)))
}
