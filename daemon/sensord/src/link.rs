//! The gateway's process and the socket to it: frames in, frames and descriptors out.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aa_wire::frame::{self, Decoder, FrameError};
use aa_wire::sensor::{FromSensor, ToSensor, WRONG_CONFIGURATION};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::settings::Settings;

/// A gateway that does not read for so long is not one.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the link is down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot start `{}`", .program.display())]
    Start {
        program: std::path::PathBuf,
        source: io::Error,
    },
    #[error("the audit log does not take it: {0}")]
    Unrecorded(String),
    #[error("the gateway is gone")]
    Gone,
    #[error("cannot exchange messages with the gateway")]
    Io(#[from] io::Error),
    #[error("the gateway sent what is no message")]
    Frame(#[from] FrameError),
}

fn gateway(settings: &Settings) -> Command {
    let mut command = Command::new(&settings.gateway);
    command.arg("--lock").arg(settings.gateway_lock());
    if let Some(config) = &settings.config {
        command.arg("--config").arg(config);
    }
    command
}

fn not_started(settings: &Settings, source: io::Error) -> LinkError {
    LinkError::Start {
        program: settings.gateway.clone(),
        source,
    }
}

/// Has the audit log say that enforcement ends, and by whom; it is on the disk when this returns.
pub(crate) fn record_unload(settings: &Settings, who: &str) -> Result<(), LinkError> {
    let mut command = gateway(settings);
    let output = command
        .args(["--record-unload", who])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| not_started(settings, source))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LinkError::Unrecorded(
        String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
    ))
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Link {
    child: Child,
    socket: UnixStream,
    decoder: Decoder,
    waiting: VecDeque<ToSensor>,
    pub(crate) started: Instant,
    /// It has asked something: it is up.
    pub(crate) heard: bool,
}

impl Link {
    /// Starts a gateway with the other end of a socket pair as its standard input.
    pub(crate) fn start(settings: &Settings) -> Result<Self, LinkError> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(SEND_TIMEOUT))?;
        let child = gateway(settings)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .env_remove("NOTIFY_SOCKET")
            .spawn()
            .map_err(|source| not_started(settings, source))?;
        tracing::info!(pid = child.id(), "gateway started");
        Ok(Self {
            child,
            socket: ours,
            decoder: Decoder::new(),
            waiting: VecDeque::new(),
            started: Instant::now(),
            heard: false,
        })
    }

    /// Sends a message, the descriptors with its first bytes.
    pub(crate) fn send(&mut self, message: &FromSensor, descriptors: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        let bytes = frame::encode(message)?;
        Ok(send_all(&mut self.socket, &bytes, descriptors)?)
    }

    /// Reads what has come; call when the socket is readable.
    pub(crate) fn receive(&mut self) -> Result<(), LinkError> {
        let mut buffer = vec![0; 256 << 10];
        let read = self.socket.read(&mut buffer)?;
        if read == 0 {
            return Err(LinkError::Gone);
        }
        self.decoder.push(buffer.get(..read).unwrap_or_default());
        while let Some(message) = self.decoder.next_message::<ToSensor>()? {
            self.waiting.push_back(message);
        }
        Ok(())
    }

    /// The next message that is whole.
    pub(crate) fn next(&mut self) -> Option<ToSensor> {
        let message = self.waiting.pop_front();
        self.heard |= message.is_some();
        message
    }

    /// Whether the process has ended.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it has ended because its configuration cannot be used, which it said itself.
    pub(crate) fn refused_configuration(&mut self) -> bool {
        let status = self.child.try_wait().ok().flatten();
        status.and_then(|status| status.code()) == Some(WRONG_CONFIGURATION.into())
    }

    /// Ends it: asks, waits, kills.
    pub(crate) fn stop(mut self) {
        if let Err(error) = self.send(&FromSensor::Shutdown, &[]) {
            tracing::debug!(%error, "the gateway does not hear the shutdown");
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if self.ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(|_| ())) {
            tracing::warn!(%error, "the gateway could not be killed");
        }
    }
}

/// Writes a frame, the descriptors with its first bytes.
pub(crate) fn send_all(socket: &mut UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut rest = bytes;
    if !descriptors.is_empty() {
        let raw: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let sent = sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(rest)],
            &[ControlMessage::ScmRights(&raw)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    socket.write_all(rest)
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
