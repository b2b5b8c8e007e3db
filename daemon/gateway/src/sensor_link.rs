//! The gateway's end of the sensor protocol: descriptor 0, frames, the descriptors beside them.
//!
//! One task reads ([`run`]); it answers the requests that wait and hands on what the sensor says unasked. Whoever asks
//! writes the frame itself, one at a time. The end of the stream ends everything: the sensor is gone or wants us gone.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::time::Duration;

use aa_wire::WireError;
use aa_wire::frame::{Decoder, FrameError, encode};
use aa_wire::resolver::{Looked, Named};
use aa_wire::sensor::{FromSensor, HELLO_DESCRIPTORS, Hello, PROTOCOL_VERSION, Reply, Request, ToSensor};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, oneshot};

const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 << 10;
/// More waiting descriptors than any protocol run leaves unclaimed.
const DESCRIPTORS_WAITING: usize = 64;

/// Why the sensor cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot take descriptor 0 as the sensor's socket")]
    Take(#[source] io::Error),
    #[error("cannot receive from the sensor")]
    Receive(#[source] io::Error),
    #[error("the sensor sent what is no message")]
    Frame(#[from] FrameError),
    #[error("the sensor sent a message without its descriptors")]
    NoDescriptors,
    #[error("the sensor did not say hello first")]
    NoHello,
    #[error("the sensor speaks version {theirs} of the protocol, this gateway {PROTOCOL_VERSION}")]
    Version { theirs: u16 },
    #[error("the sensor closed the connection")]
    Closed,
}

/// A message with the descriptors that came beside it.
struct Received {
    message: FromSensor,
    descriptors: Vec<OwnedFd>,
}

/// Bytes and descriptors that arrived and are not yet messages.
#[derive(Default)]
struct Inbox {
    decoder: Decoder,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// One `recvmsg`. 0 at the end of the stream.
    fn receive(&mut self, socket: impl AsFd, flags: RecvFlags) -> io::Result<usize> {
        let mut bytes = vec![0; READ_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HELLO_DESCRIPTORS + 1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let count = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                self.descriptors.extend(received);
            }
        }
        if self.descriptors.len() > DESCRIPTORS_WAITING {
            return Err(io::Error::other("too many descriptors"));
        }
        self.decoder.push(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn next_message(&mut self) -> Result<Option<Received>, LinkError> {
        let Some(message) = self.decoder.next_message::<FromSensor>()? else {
            return Ok(None);
        };
        let announced = message.descriptors();
        if announced > self.descriptors.len() {
            return Err(LinkError::NoDescriptors);
        }
        Ok(Some(Received {
            message,
            descriptors: self.descriptors.drain(..announced).collect(),
        }))
    }
}

/// The connection after the sensor's hello, not yet asynchronous.
pub(crate) struct Greeted {
    pub(crate) hello: Hello,
    pub(crate) maps: [OwnedFd; HELLO_DESCRIPTORS],
    socket: StdStream,
    inbox: Inbox,
}

/// Takes the sensor's socket and waits for its hello.
pub(crate) fn greet(socket: OwnedFd) -> Result<Greeted, LinkError> {
    let socket = StdStream::from(socket);
    socket.set_read_timeout(Some(HELLO_TIMEOUT)).map_err(LinkError::Take)?;
    let mut inbox = Inbox::default();
    let received = loop {
        if let Some(received) = inbox.next_message()? {
            break received;
        }
        if inbox.receive(&socket, RecvFlags::empty()).map_err(LinkError::Receive)? == 0 {
            return Err(LinkError::Closed);
        }
    };
    let FromSensor::Hello(hello) = received.message else {
        return Err(LinkError::NoHello);
    };
    if hello.protocol_version != PROTOCOL_VERSION {
        return Err(LinkError::Version {
            theirs: hello.protocol_version,
        });
    }
    let maps = received.descriptors.try_into().map_err(|_| LinkError::NoDescriptors)?;
    Ok(Greeted {
        hello,
        maps,
        socket,
        inbox,
    })
}

/// A duplicate of descriptor 0, which itself becomes `/dev/null`: nothing reads the protocol by accident.
pub(crate) fn take_stdin() -> Result<OwnedFd, LinkError> {
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(LinkError::Take)?;
    let null = std::fs::File::open("/dev/null").map_err(LinkError::Take)?;
    nix::unistd::dup2_stdin(null).map_err(|error| LinkError::Take(error.into()))?;
    Ok(socket)
}

/// An answer with the descriptors beside it.
pub(crate) type Answer = Result<(Reply, Vec<OwnedFd>), WireError>;

/// A handle to ask the sensor.
#[derive(Clone)]
pub(crate) struct Sensor {
    shared: Rc<Shared>,
}

struct Shared {
    socket: UnixStream,
    writing: Mutex<()>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<Answer>>>,
    next: Cell<u64>,
}

/// What the sensor says unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Looked(Box<Looked>),
    Named(Box<Named>),
    Halted(String),
    Reload,
    Shutdown,
}

/// Makes the connection asynchronous: a handle to ask, and what the reading task needs.
pub(crate) fn connect(socket: StdStream, inbox: InboxAfterHello) -> Result<(Sensor, Reader), LinkError> {
    socket.set_nonblocking(true).map_err(LinkError::Take)?;
    let socket = UnixStream::from_std(socket).map_err(LinkError::Take)?;
    let shared = Rc::new(Shared {
        socket,
        writing: Mutex::new(()),
        waiting: RefCell::new(HashMap::new()),
        next: Cell::new(1),
    });
    Ok((
        Sensor {
            shared: Rc::clone(&shared),
        },
        Reader { shared, inbox: inbox.0 },
    ))
}

/// What had arrived behind the hello.
pub(crate) struct InboxAfterHello(Inbox);

impl Greeted {
    pub(crate) fn into_parts(self) -> (Hello, [OwnedFd; HELLO_DESCRIPTORS], StdStream, InboxAfterHello) {
        (self.hello, self.maps, self.socket, InboxAfterHello(self.inbox))
    }
}

impl Sensor {
    /// Asks and waits for the answer, ten seconds at most.
    pub(crate) async fn request(&self, body: Request) -> Result<Reply, WireError> {
        self.request_with_descriptors(body).await.map(|(reply, _)| reply)
    }

    /// The same, with the descriptors beside the answer.
    pub(crate) async fn request_with_descriptors(&self, body: Request) -> Answer {
        let id = self.shared.next.get();
        self.shared.next.set(id + 1);
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.borrow_mut().insert(id, sender);
        let exchange = async {
            self.write(&ToSensor { body, id }).await?;
            receiver.await.map_err(|_| gone())?
        };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        self.shared.waiting.borrow_mut().remove(&id);
        answer.unwrap_or_else(|_| Err(WireError::new("sensor-timeout", "the sensor does not answer")))
    }

    async fn write(&self, message: &ToSensor) -> Result<(), WireError> {
        let frame = encode(message).map_err(|error| WireError::from_error("sensor-frame", &error))?;
        // A frame that was begun is finished even if who asked no longer waits: half a frame would end the protocol.
        let shared = Rc::clone(&self.shared);
        let written = tokio::task::spawn_local(async move {
            let _turn = shared.writing.lock().await;
            let mut rest = frame.as_slice();
            while !rest.is_empty() {
                shared.socket.writable().await?;
                match shared.socket.try_write(rest) {
                    Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(gone().because(error)),
            Err(_) => Err(gone()),
        }
    }
}

fn gone() -> WireError {
    WireError::new("sensor-gone", "the sensor is not there")
}

/// The reading end.
pub(crate) struct Reader {
    shared: Rc<Shared>,
    inbox: Inbox,
}

impl Reader {
    /// Reads until the stream ends. Never returns `Ok`.
    pub(crate) async fn run(mut self, mut order: impl FnMut(Order)) -> Result<(), LinkError> {
        loop {
            while let Some(received) = self.inbox.next_message()? {
                self.dispatch(received, &mut order)?;
            }
            let (socket, inbox) = (&self.shared.socket, &mut self.inbox);
            let receive = || inbox.receive(socket, RecvFlags::DONTWAIT);
            let mut receive = receive;
            let count = loop {
                socket.readable().await.map_err(LinkError::Receive)?;
                match socket.try_io(Interest::READABLE, &mut receive) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // It died with requests of ours unread.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break 0,
                    Err(error) => return Err(LinkError::Receive(error)),
                    Ok(count) => break count,
                }
            };
            if count == 0 {
                self.shared.waiting.borrow_mut().clear();
                return Err(LinkError::Closed);
            }
        }
    }

    fn dispatch(&self, received: Received, order: &mut impl FnMut(Order)) -> Result<(), LinkError> {
        match received.message {
            FromSensor::Response { id, result } => {
                let waiting = self.shared.waiting.borrow_mut().remove(&id);
                if let Some(waiting) = waiting {
                    // Whoever asked may have stopped waiting.
                    let _ = waiting.send(result.map(|reply| (reply, received.descriptors)));
                }
            }
            FromSensor::Looked(looked) => order(Order::Looked(Box::new(looked))),
            FromSensor::Named(named) => order(Order::Named(Box::new(named))),
            FromSensor::Halted(how) => order(Order::Halted(how)),
            FromSensor::Reload => order(Order::Reload),
            FromSensor::Shutdown => order(Order::Shutdown),
            FromSensor::Hello(_) => return Err(LinkError::NoHello),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
