//! The resolver's end of the sensor's socket: one task reads and writes it, and connects again whenever it ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use aa_bpf::abi::AA_ABI_VERSION;
use aa_bpf::askers::Askers;
use aa_wire::frame::{Decoder, FrameError, encode};
use aa_wire::resolver::{FromResolver, PROTOCOL_VERSION, ToResolver};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::world::{World, now};

/// How long to wait before the sensor is looked for again.
const RETRY: Duration = Duration::from_millis(200);
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 << 10;
/// Frames of lookups that wait to be written.
const FRAMES_WAITING: usize = 1_024;
/// Unwritten bytes beyond which no more frames are taken.
const BYTES_WAITING: usize = 256 << 10;
/// More than the protocol ever sends.
const DESCRIPTORS: usize = 4;

/// Why the connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot reach the sensor")]
    Connect(#[source] io::Error),
    #[error("cannot receive from the sensor")]
    Receive(#[source] io::Error),
    #[error("cannot send to the sensor")]
    Send(#[source] io::Error),
    #[error("the sensor sent what is no message, or there is none for what is to be sent")]
    Frame(#[from] FrameError),
    #[error("the sensor did not say hello first, and once, with one descriptor")]
    NoHello,
    #[error("the sensor says nothing")]
    Silent,
    #[error("the sensor's descriptor is no table of who asks")]
    Askers(#[source] io::Error),
    #[error("the sensor speaks version {theirs} of the protocol, this resolver {PROTOCOL_VERSION}")]
    Protocol { theirs: u16 },
    #[error("the sensor's tables are of version {theirs}, this resolver reads {AA_ABI_VERSION}")]
    Abi { theirs: u32 },
    #[error("the sensor closed the connection")]
    Closed,
}

impl LinkError {
    /// Whether it would come again with the next connection, as long as this program is the same.
    fn is_final(&self) -> bool {
        matches!(self, Self::Protocol { .. } | Self::Abi { .. })
    }
}

/// Where we answer, as [`FromResolver::Ready`] says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) port4: u16,
    pub(crate) port6: u16,
    pub(crate) network: u32,
}

/// Stays connected. Ends only with what no new connection would mend.
pub(crate) async fn keep(socket: &Path, world: &World, place: Place) -> Result<Infallible, LinkError> {
    let mut told = String::new();
    loop {
        let ended = match UnixStream::connect(socket).await {
            Ok(stream) => serve(&stream, world, place).await,
            Err(error) => Err(LinkError::Connect(error)),
        };
        world.book().close();
        let error = match ended {
            Err(error) if error.is_final() => return Err(error),
            Err(error) => error,
            Ok(never) => match never {},
        };
        let cause = aa_wire::problem::chain(Some(&error)).unwrap_or_default();
        // Five times a second is too often to be told the same.
        if cause == told {
            tracing::debug!(cause, "no sensor");
        } else {
            tracing::info!(cause, "no sensor: nothing is answered until there is one");
            told = cause;
        }
        sleep(RETRY).await;
    }
}

/// Bytes and descriptors that arrived and are not yet messages.
#[derive(Default)]
struct Inbox {
    decoder: Decoder,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Waits for bytes and takes them in. Nothing is lost if it is not waited for to the end.
    async fn fill(&mut self, socket: &UnixStream) -> Result<(), LinkError> {
        loop {
            socket.readable().await.map_err(LinkError::Receive)?;
            match socket.try_io(Interest::READABLE, || self.receive(socket)) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It died with frames of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(LinkError::Closed),
                Err(error) => return Err(LinkError::Receive(error)),
            }
        }
    }

    fn receive(&mut self, socket: &UnixStream) -> io::Result<usize> {
        let mut bytes = vec![0; READ_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let count = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                self.descriptors.extend(received);
            }
        }
        if self.descriptors.len() > DESCRIPTORS {
            return Err(io::Error::other("too many descriptors"));
        }
        self.decoder.push(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    async fn hello(&mut self, socket: &UnixStream) -> Result<Askers, LinkError> {
        let message = loop {
            if let Some(message) = self.decoder.next_message::<ToResolver>()? {
                break message;
            }
            self.fill(socket).await?;
        };
        let ToResolver::Hello(hello) = message else {
            return Err(LinkError::NoHello);
        };
        // Before the descriptor: another version may send others.
        if hello.protocol_version != PROTOCOL_VERSION {
            let theirs = hello.protocol_version;
            return Err(LinkError::Protocol { theirs });
        }
        if hello.abi_version != AA_ABI_VERSION {
            let theirs = hello.abi_version;
            return Err(LinkError::Abi { theirs });
        }
        let askers = self.descriptors.pop_front().ok_or(LinkError::NoHello)?;
        Askers::new(askers).map_err(LinkError::Askers)
    }
}

/// Frames that are not written yet.
#[derive(Default)]
struct Outbox(Vec<u8>);

impl Outbox {
    fn push(&mut self, message: &FromResolver) -> Result<(), FrameError> {
        self.0.extend(encode(message)?);
        Ok(())
    }

    /// Writes some. Nothing is written twice if it is not waited for to the end.
    async fn write(&mut self, socket: &UnixStream) -> Result<(), LinkError> {
        socket.writable().await.map_err(LinkError::Send)?;
        match socket.try_write(&self.0) {
            Ok(count) => drop(self.0.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(LinkError::Closed),
            Err(error) => return Err(LinkError::Send(error)),
        }
        Ok(())
    }
}

/// One connection, from its hello to its end.
async fn serve(socket: &UnixStream, world: &World, place: Place) -> Result<Infallible, LinkError> {
    let mut inbox = Inbox::default();
    let hello = timeout(HELLO_TIMEOUT, inbox.hello(socket)).await;
    let askers = hello.map_err(|_| LinkError::Silent)??;
    let (outgoing, mut frames) = mpsc::channel(FRAMES_WAITING);
    world.book().open(askers, outgoing);
    let mut outbox = Outbox::default();
    outbox.push(&FromResolver::Ready {
        port4: place.port4,
        port6: place.port6,
        network: place.network,
    })?;
    tracing::info!(port4 = place.port4, port6 = place.port6, "ready");
    loop {
        while let Some(message) = inbox.decoder.next_message::<ToResolver>()? {
            tracing::debug!(?message, "the sensor says");
            if let ToResolver::Hello(_) = message {
                return Err(LinkError::NoHello);
            }
            let taken = match message {
                ToResolver::Policy { slot, generation, .. } => Some(FromResolver::PolicyTaken { slot, generation }),
                _ => None,
            };
            let again = world.book().take_in(message, now());
            for frame in again.into_iter().map(FromResolver::Bind).chain(taken) {
                outbox.push(&frame)?;
            }
        }
        tokio::select! {
            filled = inbox.fill(socket) => filled?,
            written = outbox.write(socket), if !outbox.0.is_empty() => written?,
            Some(frame) = frames.recv(), if outbox.0.len() < BYTES_WAITING => outbox.push(&frame)?,
        }
    }
}
