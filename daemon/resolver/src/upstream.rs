//! Asking the servers this machine is configured with.
//!
//! What goes out is a message of our own: of the agent's only name (in small letters) and type are taken, so that neither padding,
//! options, nor the case of letters carry anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::question::Question;
use crate::reply::MAX_DATAGRAM;
use crate::surroundings::Limits;

/// Asking one server failed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No server is configured.
    #[error("no upstream server is configured")]
    None,
    /// It did not answer in time.
    #[error("no answer from {0} in time")]
    Timeout(SocketAddr),
    /// A system call failed.
    #[error("cannot ask {server}")]
    Io {
        /// Whom.
        server: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its answer over TCP is no answer to the question, or too large.
    #[error("{0} answered nothing usable")]
    Unusable(SocketAddr),
    /// The question could not be written.
    #[error("the question cannot be encoded")]
    Encode(#[source] hickory_proto::ProtoError),
}

/// Asks the servers in turn until one answers.
pub async fn ask(question: &Question, servers: &[SocketAddr], limits: &Limits) -> Result<Message, UpstreamError> {
    let mut last = UpstreamError::None;
    for _ in 0..limits.upstream_tries {
        for server in servers {
            match ask_one(question, *server, limits).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

async fn ask_one(question: &Question, server: SocketAddr, limits: &Limits) -> Result<Message, UpstreamError> {
    // The id is random, and so is the port: a new socket is bound for every try.
    let sent = outgoing(question);
    let bytes = sent.to_vec().map_err(UpstreamError::Encode)?;
    let exchange = async {
        let answer = over_udp(&sent, &bytes, server, limits).await?;
        if answer.metadata.truncation {
            return over_tcp(&sent, &bytes, server, limits).await;
        }
        Ok(answer)
    };
    let answer = timeout(limits.upstream_timeout, exchange).await;
    answer.unwrap_or(Err(UpstreamError::Timeout(server)))
}

fn outgoing(question: &Question) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let name = question.query.name().to_lowercase();
    message.add_query(Query::query(name, question.record_type()));
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_DATAGRAM);
    message.set_edns(edns);
    message
}

/// Whether a message answers what was sent: RFC 5452 9.1, the part of it that sockets do not check.
pub fn answers(sent: &Message, answer: &Message) -> bool {
    answer.metadata.id == sent.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.metadata.op_code == OpCode::Query
        && answer.queries == sent.queries
}

async fn over_udp(sent: &Message, bytes: &[u8], server: SocketAddr, limits: &Limits) -> Result<Message, UpstreamError> {
    let io = |source| UpstreamError::Io { server, source };
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(io)?;
    // Connected: the kernel drops what comes from elsewhere.
    socket.connect(server).await.map_err(io)?;
    socket.send(bytes).await.map_err(io)?;
    let mut buffer = vec![0; limits.max_message];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(io)?;
        let received = buffer.get(..length).unwrap_or_default();
        // What is not the answer may be somebody's guess: the answer may still come.
        match Message::from_vec(received) {
            Ok(answer) if answers(sent, &answer) => return Ok(answer),
            _ => tracing::debug!(%server, length, "a datagram that is not the answer"),
        }
    }
}

async fn over_tcp(sent: &Message, bytes: &[u8], server: SocketAddr, limits: &Limits) -> Result<Message, UpstreamError> {
    let io = |source| UpstreamError::Io { server, source };
    let mut stream = TcpStream::connect(server).await.map_err(io)?;
    write_framed(&mut stream, bytes).await.map_err(io)?;
    let received = read_framed(&mut stream, limits.max_message).await.map_err(io)?;
    let answer = received.and_then(|bytes| Message::from_vec(&bytes).ok());
    answer
        .filter(|answer| answers(sent, answer))
        .ok_or(UpstreamError::Unusable(server))
}

/// Writes a message behind its length (RFC 1035 4.2.2).
pub(crate) async fn write_framed(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
    stream
        .write_all(&[length.to_be_bytes().as_slice(), bytes].concat())
        .await
}

/// Reads a message behind its length; `None` for one that is too large.
pub(crate) async fn read_framed(stream: &mut TcpStream, limit: usize) -> std::io::Result<Option<Vec<u8>>> {
    let length = usize::from(stream.read_u16().await?);
    if length > limit {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}
