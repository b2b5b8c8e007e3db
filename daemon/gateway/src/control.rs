//! The control socket: who may speak, one line in, lines out, nothing unbounded.

use std::os::unix::net::UnixListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aa_wire::api::{Answer, Ask, LINE_LIMIT, Reply, Request, VERSION};
use aa_wire::sensor::{Reply as SensorReply, Request as SensorRequest};
use aa_wire::{Pid, WireError};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::gateway::Gateway;

/// Clients at once; one more is told to come back later.
const CLIENTS: usize = 64;
/// How long a client may take for its next line, and for taking ours.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that a line has room for at first: more than one with a secret has.
const LINE_ROOM: usize = 3 * aa_vault::VALUE_LIMIT;
/// How long a request may take, unless it is one that streams or reads the whole log.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) pid: Pid,
    pub(crate) uid: u32,
    gid: u32,
}

impl Peer {
    /// By name or number.
    pub(crate) fn is_user(self, user: &str) -> bool {
        let named = User::from_name(user).ok().flatten();
        named.is_some_and(|named| named.uid.as_raw() == self.uid) || user.parse() == Ok(self.uid)
    }

    /// Whether it is of the group, by name or number.
    pub(crate) fn is_member(self, group: &str) -> bool {
        let named = Group::from_name(group).ok().flatten().map(|named| named.gid);
        let Some(group) = named.or_else(|| group.parse().ok().map(Gid::from_raw)) else {
            return false;
        };
        if self.gid == group.as_raw() {
            return true;
        }
        let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.uid)) else {
            return false;
        };
        let Ok(name) = std::ffi::CString::new(user.name) else {
            return false;
        };
        getgrouplist(&name, Gid::from_raw(self.gid)).is_ok_and(|groups| groups.contains(&group))
    }
}

/// Accepts clients for ever.
pub(crate) async fn serve(gateway: Rc<Gateway>, listener: StdListener) -> std::io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (gateway, permit) = (Rc::clone(&gateway), Arc::clone(&room).try_acquire_owned());
        tokio::task::spawn_local(async move {
            let admitted = permit.map_err(|_| WireError::new("busy", "too many clients").hint("try again later"));
            client(gateway, stream, admitted.as_ref().err().cloned()).await;
            drop(admitted);
        });
    }
}

async fn client(gateway: Rc<Gateway>, stream: UnixStream, refused: Option<WireError>) {
    let peer = identify(&stream);
    let (input, output) = stream.into_split();
    let mut client = Client {
        input: BufReader::new(input),
        output,
    };
    let peer = match refused.map_or(peer, Err) {
        Ok(peer) => peer,
        Err(problem) => return drop(client.answer(Err(problem)).await),
    };
    while let Some(line) = client.line().await {
        let request = match line.and_then(|line| parse(&line)) {
            Ok(request) => request,
            // A client that does not speak our language is not listened to further.
            Err(problem) => return drop(client.answer(Err(problem)).await),
        };
        let done = match gateway.admit(peer, &request).await {
            Ok(()) => respond(&gateway, peer, request, &mut client).await,
            Err(problem) => client.answer(Err(problem)).await,
        };
        if done.is_err() {
            return;
        }
    }
}

fn identify(stream: &UnixStream) -> Result<Peer, WireError> {
    let unknown = || WireError::new("no-credentials", "the kernel does not say who you are");
    let credentials = stream.peer_cred().map_err(|_| unknown())?;
    let pid = credentials
        .pid()
        .and_then(|pid| u32::try_from(pid).ok())
        .ok_or_else(unknown)?;
    Ok(Peer {
        pid: Pid(pid),
        uid: credentials.uid(),
        gid: credentials.gid(),
    })
}

fn parse(line: &[u8]) -> Result<Request, WireError> {
    let ask: Ask = serde_json::from_slice(line)
        .map_err(|error| WireError::new("bad-request", "the line is not a request").because(error))?;
    if ask.v != VERSION {
        return Err(WireError::new(
            "bad-version",
            format!("this is version {VERSION} of the interface, not {}", ask.v),
        ));
    }
    Ok(ask.request)
}

async fn respond(gateway: &Rc<Gateway>, peer: Peer, request: Request, client: &mut Client) -> std::io::Result<()> {
    if let Request::Events(query) = request {
        return match crate::events::stream(gateway, query, client).await {
            Ok(()) => Ok(()),
            Err(crate::events::Ended::Client(error)) => Err(error),
            Err(crate::events::Ended::Log(problem)) => client.answer(Err(problem)).await,
        };
    }
    let whole_log = matches!(request, Request::Verify | Request::Why { .. });
    let answer = gateway.handle(peer, request);
    let answer = if whole_log {
        answer.await
    } else {
        let late = |_| Err(WireError::new("timeout", "the request took too long"));
        tokio::time::timeout(REQUEST_TIME, answer).await.unwrap_or_else(late)
    };
    client.answer(answer).await
}

impl Gateway {
    /// Whether the peer may ask this: root or the control group, and never somebody who is governed.
    async fn admit(&self, peer: Peer, request: &Request) -> Result<(), WireError> {
        // The courier may connect, and do this alone; nobody else may, root neither: its user is what says who it is.
        if matches!(request, Request::Courier(_) | Request::Sign(_)) {
            if !peer.is_user(&self.settings.courier_user) {
                return Err(WireError::new("not-permitted", "this is for the courier alone"));
            }
        } else
        // The socket's mode already says so; this holds if somebody loosens it.
        if peer.uid != 0 && !peer.is_member(&self.settings.control_group) {
            return Err(
                WireError::new("not-permitted", "you may not control aa-sensord").hint(format!(
                    "run it with sudo, or: sudo usermod -aG {} $USER",
                    self.settings.control_group
                )),
            );
        }
        let governed = match self.sensor.request(SensorRequest::IsGoverned { pid: peer.pid }).await {
            Ok(SensorReply::IsGoverned(governed)) => governed,
            // Root may still see what is wrong; nothing else goes on without knowing.
            _ if peer.uid == 0 && matches!(request, Request::Status) => false,
            Ok(_) => return Err(WireError::new("protocol", "the sensor answered something else")),
            Err(problem) => return Err(problem),
        };
        if governed {
            tracing::warn!(pid = %peer.pid, "a governed process tried to use the control socket");
            return Err(WireError::new(
                "governed",
                "a governed process may not control aa-sensord",
            ));
        }
        Ok(())
    }
}

/// One connection.
pub(crate) struct Client {
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl Client {
    /// The next line without its end; `None` when there is none any more, or not in time.
    async fn line(&mut self) -> Option<Result<Zeroizing<Vec<u8>>, WireError>> {
        // A secret may be in it: it does not grow and leave what it was behind.
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_ROOM));
        let mut bounded = (&mut self.input).take(LINE_LIMIT as u64 + 1);
        let read = tokio::time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(count)) if count > 0) {
            return None;
        }
        if line.pop() == Some(b'\n') {
            return Some(Ok(line));
        }
        Some(Err(WireError::new(
            "too-long",
            format!("a request is one line of at most {LINE_LIMIT} bytes"),
        )))
    }

    /// Sends one answer.
    pub(crate) async fn answer(&mut self, result: Result<Reply, WireError>) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&Answer::new(result))?;
        line.push(b'\n');
        self.write(&line).await
    }

    /// Sends bytes; a client that does not take them is given up.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        tokio::time::timeout(PATIENCE, self.output.write_all(bytes)).await?
    }

    /// Returns when the client closes its end.
    pub(crate) async fn closed(&mut self) {
        let mut byte = [0];
        // Whatever it sends while it is being answered ends the answer as well.
        let _ = self.input.read(&mut byte).await;
    }
}
