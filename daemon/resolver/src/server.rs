//! The sockets, and the life of one question.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aa_bpf::askers::Transport;
use hickory_proto::op::Message;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admit::{Admitted, admit};
use crate::decide::{Refusal, Verdict, decide};
use crate::meter::Meter;
use crate::question::{NoQuestion, Question};
use crate::reply::{self, MAX_DATAGRAM};
use crate::surroundings::{Asker, Limits, Surroundings};
use crate::upstream;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many free ports of TCP are tried until one is free for UDP too.
const PORT_TRIES: u32 = 32;

/// The sockets of one address: datagrams and connections at the same port.
#[derive(Debug)]
pub struct Listener {
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
}

impl Listener {
    /// Listens at an address. Port 0 is a port that is free for both.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = 1;
        loop {
            let tcp = TcpListener::bind(address).await?;
            match UdpSocket::bind(tcp.local_addr()?).await {
                Ok(udp) => {
                    return Ok(Self {
                        udp: Arc::new(udp),
                        tcp,
                    });
                }
                // Somebody else's; the next one may not be.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 && tries < PORT_TRIES => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Answers questions that arrive at its sockets, at all addresses within the same limits.
#[derive(Debug)]
pub struct Server<S> {
    listeners: Vec<Listener>,
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    surroundings: S,
    limits: Limits,
    meter: Mutex<Meter>,
    begun: Instant,
    in_flight: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl<S: Surroundings> Server<S> {
    /// A server at these addresses.
    pub fn new(listeners: Vec<Listener>, limits: Limits, surroundings: S) -> Self {
        let shared = Arc::new(Shared {
            in_flight: Arc::new(Semaphore::new(limits.max_in_flight)),
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            surroundings,
            limits,
            meter: Mutex::default(),
            begun: Instant::now(),
        });
        Self { listeners, shared }
    }

    /// Listens at addresses and serves there; see [`Listener::bind`].
    pub async fn bind(addresses: &[SocketAddr], limits: Limits, surroundings: S) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for address in addresses {
            listeners.push(Listener::bind(*address).await?);
        }
        Ok(Self::new(listeners, limits, surroundings))
    }

    /// Where it listens, in the order of its listeners.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// Serves until a socket fails.
    pub async fn run(self) -> io::Result<()> {
        let mut serving = JoinSet::new();
        for Listener { udp, tcp } in self.listeners {
            serving.spawn(serve_datagrams(udp, Arc::clone(&self.shared)));
            serving.spawn(serve_connections(tcp, Arc::clone(&self.shared)));
        }
        match serving.join_next().await {
            Some(ended) => ended.map_err(io::Error::other)?,
            None => Err(io::Error::other("no address to serve at")),
        }
    }
}

async fn serve_datagrams<S: Surroundings>(socket: Arc<UdpSocket>, shared: Arc<Shared<S>>) -> io::Result<()> {
    let mut buffer = vec![0; shared.limits.max_message + 1];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        // Without a place it is dropped, as a full socket would: the client asks again.
        let Ok(place) = Arc::clone(&shared.in_flight).try_acquire_owned() else {
            tracing::debug!("too many questions in flight, one dropped");
            continue;
        };
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tokio::spawn(async move {
            if let Some((reply, room)) = shared.answer(&bytes, from, Transport::Udp).await {
                let room = usize::from(room.unwrap_or(512).min(MAX_DATAGRAM));
                match reply::encode(&reply, room) {
                    Ok(bytes) => drop(socket.send_to(&bytes, from).await),
                    Err(error) => tracing::warn!(%error, "a reply cannot be encoded"),
                }
            }
            drop(place);
        });
    }
}

async fn serve_connections<S: Surroundings>(listener: TcpListener, shared: Arc<Shared<S>>) -> io::Result<()> {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // No descriptors left, or the peer is gone: neither ends the service.
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&shared.connections).try_acquire_owned() else {
            tracing::debug!("too many connections, one closed");
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if let Err(error) = shared.serve_connection(stream, from).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
}

/// A reply and what is told of it.
struct LookedUp {
    reply: Message,
    addresses: Vec<IpAddr>,
    refusal: Option<Refusal>,
}

impl<S: Surroundings> Shared<S> {
    async fn serve_connection(&self, mut stream: TcpStream, from: SocketAddr) -> io::Result<()> {
        loop {
            let arriving = upstream::read_framed(&mut stream, self.limits.max_message);
            let Ok(Some(bytes)) = timeout(self.limits.idle_timeout, arriving).await? else {
                return Ok(());
            };
            let Ok(place) = self.in_flight.acquire().await else {
                return Ok(());
            };
            let answer = self.answer(&bytes, from, Transport::Tcp).await;
            drop(place);
            let Some((reply, _)) = answer else {
                return Ok(());
            };
            let bytes = reply::encode(&reply, usize::from(u16::MAX)).map_err(io::Error::other)?;
            timeout(self.limits.idle_timeout, upstream::write_framed(&mut stream, &bytes)).await??;
        }
    }

    /// The reply, and the room for it in a datagram if the client said so; `None` for silence.
    async fn answer(&self, bytes: &[u8], from: SocketAddr, transport: Transport) -> Option<(Message, Option<u16>)> {
        let asker = self.surroundings.asker(from, transport)?;
        let question = match Question::decode(bytes, self.limits.max_message) {
            Ok(question) => question,
            Err(NoQuestion::Silent) => return None,
            Err(NoQuestion::Reply { id, op_code, code }) => return Some((reply::bare(id, op_code, code), None)),
        };
        let reply = match self.look_up(&question, &asker).await {
            Ok(looked) => {
                let refusal = looked.refusal.as_ref();
                self.surroundings
                    .looked(&asker, &question.name, &looked.addresses, refusal);
                Some(looked.reply)
            }
            Err(refusal) => {
                self.surroundings.looked(&asker, &question.name, &[], Some(&refusal));
                reply::refusal(&question, &refusal)
            }
        };
        reply.map(|reply| (reply, question.max_payload))
    }

    async fn look_up(&self, question: &Question, asker: &Asker) -> Result<LookedUp, Refusal> {
        let verdict = {
            let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.begun.elapsed();
            decide(question, asker.agent, &asker.hosts, &mut meter, &self.limits, now)
        };
        let mut refusal = match verdict {
            Verdict::Forward => None,
            Verdict::Refuse(refusal) if asker.observes => Some(refusal),
            Verdict::Refuse(refusal) => return Err(refusal),
        };
        let servers = self.surroundings.upstream();
        let answer = upstream::ask(question, &servers, &self.limits).await;
        let answer = answer.map_err(|error| {
            tracing::debug!(%error, "asking upstream failed");
            Refusal::Upstream
        })?;
        let mut admitted = admit(question, &answer, &asker.hosts, &self.limits, asker.observes)?;
        if let Err(not_bound) = self.bind(question, asker, &admitted).await {
            if !asker.observes {
                return Err(not_bound);
            }
            refusal.get_or_insert(not_bound);
        }
        if let Some(left_out) = admitted.left_out {
            if !asker.observes {
                reply::explain(&mut admitted.reply, &left_out);
            }
            refusal.get_or_insert(left_out);
        }
        Ok(LookedUp {
            reply: admitted.reply,
            addresses: admitted.addresses,
            refusal,
        })
    }

    async fn bind(&self, question: &Question, asker: &Asker, admitted: &Admitted) -> Result<(), Refusal> {
        if admitted.addresses.is_empty() {
            return Ok(());
        }
        let (addresses, name) = (&admitted.addresses, &question.name);
        let bound = self.surroundings.bind(asker, addresses, name, admitted.ttl).await;
        bound.map_err(|error| {
            tracing::warn!(agent = %asker.agent, error = %error.0, "the addresses of an answer could not be bound");
            Refusal::NotBound
        })
    }
}
