//! The process that attaches probes. That takes `CAP_SYS_ADMIN`, which the sensor gives up once it has started; this one
//! keeps it, and can do nothing else: it is started before, and its system calls are those that follow.
//!
//! Each packet of the `SOCK_SEQPACKET` pair between them asks for one probe, with the file's descriptor; the answer is an
//! error number, and 0 has the probe's descriptor beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use aa_bpf::uprobes::{Uprobes, When};
use aa_bpf::{Kernel, LoadError};
use caps::{CapSet, Capability};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::TimeVal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::privileges::PrivilegeError;
use crate::seccomp::SeccompError;

/// An attacher that does not answer for so long is none: a probe takes as long as there are processes that map the file.
const PATIENCE_SECONDS: libc::time_t = 5;
/// Site, when, offset.
const QUESTION_BYTES: usize = 16;

/// Why probes are not attached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttacherError {
    #[error("no programs are in force")]
    NotRunning,
    #[error(transparent)]
    Kernel(#[from] LoadError),
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    #[error("cannot hear or answer the sensor")]
    Socket(#[from] io::Error),
}

/// The sensor's end.
#[derive(Debug)]
pub(super) struct Attacher {
    child: Child,
    socket: OwnedFd,
}

impl Attacher {
    pub(super) fn start() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        setsockopt(&ours, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE_SECONDS, 0))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("attach")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .env_clear()
            .spawn()?;
        Ok(Self { child, socket: ours })
    }

    /// Whether the process has ended. Another cannot be had: what it takes was given up.
    pub(super) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Has a probe attached; it ends when the descriptor is closed.
    pub(super) fn attach(&self, file: &File, offset: u64, when: When, site: u32) -> io::Result<OwnedFd> {
        let socket = self.socket.as_raw_fd();
        let question = encode(offset, when, site);
        let descriptor = [file.as_raw_fd()];
        let beside = [ControlMessage::ScmRights(&descriptor)];
        sendmsg::<()>(
            socket,
            &[IoSlice::new(&question)],
            &beside,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        let mut answer = [0; 4];
        let (length, probe) = receive(self.socket.as_fd(), &mut answer)?;
        match (length, i32::from_ne_bytes(answer), probe) {
            (4, 0, Some(probe)) => Ok(probe),
            (4, number, _) if number != 0 => Err(io::Error::from_raw_os_error(number)),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Attacher {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            tracing::warn!(%error, "the process that attaches probes could not be ended");
        }
    }
}

/// That process: answers until the sensor closes the socket.
pub(crate) fn serve() -> Result<(), AttacherError> {
    let kernel = Kernel::running()?.ok_or(AttacherError::NotRunning)?;
    let uprobes = Uprobes::new(&kernel)?;
    drop(kernel);
    confine()?;
    let stdin = io::stdin();
    let mut question = [0; QUESTION_BYTES];
    loop {
        let (length, file) = receive(stdin.as_fd(), &mut question)?;
        if length == 0 {
            return Ok(());
        }
        let asked = decode(&question).filter(|_| length == QUESTION_BYTES).zip(file);
        let attached = asked.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL));
        let attached =
            attached.and_then(|((offset, when, site), file)| uprobes.attach(file.as_fd(), offset, when, site));
        let number = attached
            .as_ref()
            .err()
            .map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        let probe: Vec<i32> = attached.iter().map(AsRawFd::as_raw_fd).collect();
        let beside = [ControlMessage::ScmRights(&probe)];
        let beside = if probe.is_empty() { &[][..] } else { &beside };
        let answer = number.to_ne_bytes();
        sendmsg::<()>(
            stdin.as_raw_fd(),
            &[IoSlice::new(&answer)],
            beside,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(io::Error::from)?;
    }
}

/// Keeps one capability and a handful of system calls.
fn confine() -> Result<(), PrivilegeError> {
    let kept = [Capability::CAP_SYS_ADMIN].into_iter().collect();
    crate::privileges::change(CapSet::Ambient, |set| caps::clear(None, set))?;
    crate::privileges::change(CapSet::Inheritable, |set| caps::clear(None, set))?;
    crate::privileges::change(CapSet::Bounding, |set| caps::clear(None, set))?;
    crate::privileges::change(CapSet::Effective, |set| caps::set(None, set, &kept))?;
    crate::privileges::change(CapSet::Permitted, |set| caps::set(None, set, &kept))?;
    nix::sys::prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivileges)?;
    Ok(restrict()?)
}

fn restrict() -> Result<(), SeccompError> {
    const BPF_LINK_CREATE: u64 = 28;
    const ALLOWED: [libc::c_long; 15] = [
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_perf_event_open,
        libc::SYS_ioctl,
        libc::SYS_close,
        // A failure's words, to standard error.
        libc::SYS_write,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_exit_group,
    ];
    let mut rules: BTreeMap<_, _> = ALLOWED.iter().map(|number| (*number, Vec::new())).collect();
    let is_link = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, BPF_LINK_CREATE)?;
    rules.insert(libc::SYS_bpf, vec![SeccompRule::new(vec![is_link])?]);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

fn encode(offset: u64, when: When, site: u32) -> [u8; QUESTION_BYTES] {
    let when: u32 = match when {
        When::Enter => 0,
        When::Leave => 1,
        When::Return => 2,
    };
    let words = [u64::from(site) | u64::from(when) << 32, offset];
    let mut bytes = [0; QUESTION_BYTES];
    for (part, word) in bytes.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn decode(bytes: &[u8; QUESTION_BYTES]) -> Option<(u64, When, u32)> {
    let mut words = bytes
        .chunks_exact(8)
        .filter_map(|part| part.try_into().ok().map(u64::from_ne_bytes));
    let (first, offset) = (words.next()?, words.next()?);
    let when = match first >> 32 {
        0 => When::Enter,
        1 => When::Leave,
        2 => When::Return,
        _ => return None,
    };
    Some((offset, when, u32::try_from(first & 0xffff_ffff).ok()?))
}

/// A packet and the descriptor beside it.
fn receive(socket: BorrowedFd<'_>, packet: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(packet)];
    let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            descriptor = descriptors.next();
        }
    }
    Ok((received.bytes, descriptor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        for when in [When::Enter, When::Leave, When::Return] {
            assert_eq!(
                decode(&encode(u64::MAX - 3, when, 4095)),
                Some((u64::MAX - 3, when, 4095))
            );
        }
        let mut wrong = encode(1, When::Enter, 1);
        wrong[4] = 9;
        assert_eq!(decode(&wrong), None);
    }
}
