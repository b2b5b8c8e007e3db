//! The process that reads programs (`aa-prober`), and the socket to it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aa_probes::{ANSWER_LIMIT, Answer, Asked};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair};

use crate::settings::Settings;

/// How long an answer may take: Claude Code's 381 MB take 0.6 s of a processor.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process, and what it was asked. One question is with it at a time, so that it is known which one it took too long for.
#[derive(Debug, Default)]
pub(super) struct Prober {
    running: Option<Running>,
    waiting: VecDeque<(u64, File)>,
    /// Killed, and not gone yet: who reads from a file system that does not answer dies when that does.
    dying: Vec<Child>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    socket: OwnedFd,
    asked: Option<(u64, Instant)>,
}

/// What came of a question.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) number: u64,
    /// `Err`: the process ended, or had to be ended.
    pub(super) answer: Result<Answer, &'static str>,
}

impl Prober {
    /// Asks what is in a file. The answer comes by [`Prober::hear`].
    pub(super) fn ask(&mut self, number: u64, file: File) {
        self.waiting.push_back((number, file));
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|running| running.socket.as_fd())
    }

    /// When [`Prober::hear`] is to be called though nothing comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (_, since) = self.running.as_ref()?.asked?;
        Some(since + PATIENCE)
    }

    /// Takes what came, ends a process that takes too long, and asks the next question. Call it after [`Prober::ask`] too.
    pub(super) fn hear(&mut self, settings: &Settings) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            if let Some(running) = &mut self.running
                && let Some((number, since)) = running.asked
            {
                match running.receive() {
                    Ok(None) if since.elapsed() < PATIENCE => return told,
                    Ok(Some(answer)) if answer.number == number => {
                        running.asked = None;
                        told.push(Told {
                            number,
                            answer: Ok(answer),
                        });
                    }
                    broken => {
                        let why = match broken {
                            Ok(None) => "reading it took too long",
                            Ok(Some(_)) => "another file was answered",
                            Err(_) => "reading it failed",
                        };
                        self.end();
                        told.push(Told {
                            number,
                            answer: Err(why),
                        });
                    }
                }
            }
            let Some((number, file)) = self.waiting.pop_front() else {
                return told;
            };
            if let Err(error) = self.send(settings, number, &file) {
                tracing::error!(%error, "no process reads programs; what they say inside TLS is not seen");
                self.end();
                told.push(Told {
                    number,
                    answer: Err("no process reads programs"),
                });
            }
        }
    }

    fn send(&mut self, settings: &Settings, number: u64, file: &File) -> io::Result<()> {
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(Running::start(settings)?),
        };
        sendmsg::<()>(
            running.socket.as_raw_fd(),
            &[IoSlice::new(&Asked { number }.encode())],
            &[ControlMessage::ScmRights(&[file.as_raw_fd()])],
            MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
            None,
        )?;
        running.asked = Some((number, Instant::now()));
        Ok(())
    }

    fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            if let Err(error) = running.child.kill() {
                tracing::warn!(%error, "the process that reads programs could not be ended");
            }
            self.dying.push(running.child);
        }
        self.dying.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.end();
    }
}

impl Running {
    fn start(settings: &Settings) -> io::Result<Self> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let child = Command::new(&settings.prober)
            .arg(&settings.prober_user)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .env_clear()
            .spawn()?;
        tracing::debug!(pid = child.id(), "a process to read programs started");
        Ok(Self {
            child,
            socket: ours,
            asked: None,
        })
    }

    fn receive(&self) -> io::Result<Option<Answer>> {
        let mut packet = vec![0; ANSWER_LIMIT];
        match recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => Answer::decode(packet.get(..length).unwrap_or_default())
                .map(Some)
                .map_err(io::Error::other),
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
