use std::fmt;

use crate::doubt::{Doubt, Doubts};
use crate::mcp::{McpMessage, ToolCall};
use crate::model::ModelCall;

/// Which way bytes go, seen from the governed process. It may be the server too, of MCP for example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It wrote them.
    Sent,
    /// It read them.
    Received,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Sent => Self::Received,
            Self::Received => Self::Sent,
        }
    }
}

/// How an exchange came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 and 1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
    /// Messages of a WebSocket (RFC 6455, 8441), after the handshake that is the exchange's head.
    WebSocket,
}

impl Protocol {
    /// A name for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::WebSocket => "websocket",
        }
    }
}

/// A header field. Its `Debug` never shows the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// In small letters. `:path` stands for the whole target, also in HTTP/1.1.
    pub name: String,
    /// As it came.
    pub value: Vec<u8>,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.name, self.value.len())
    }
}

/// One half of an exchange, beyond its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// `Content-Type` without parameters, in small letters.
    pub media_type: String,
    /// `Content-Encoding`, in small letters.
    pub coding: String,
    /// Bytes of the body as it came, without the framing.
    pub raw_bytes: u64,
    /// Bytes of it that were given as [`crate::Told::Body`].
    pub decoded_bytes: u64,
    /// Bytes of it that were lost, where that is known.
    pub missing_bytes: u64,
}

/// A request and its answer.
#[derive(Clone)]
pub struct Exchange {
    /// The first of a connection has 1.
    pub id: u64,
    /// How it came.
    pub protocol: Protocol,
    /// Which way the request went: [`Direction::Sent`] where the governed process is the client.
    pub asked: Direction,
    /// Of the request; empty if its head was not seen or not readable, as are the next two.
    pub method: String,
    /// `:authority`, `Host` or that of an absolute target, with the port if there is one, in small letters. What the client claims: not where
    /// the connection leads.
    pub host: String,
    /// The target without what is behind `?`, of which nothing is kept.
    pub path: String,
    /// Of the final answer, if its head was seen.
    pub status: Option<u16>,
    /// What was asked with.
    pub request: Content,
    /// What was answered.
    pub answer: Content,
    /// The call of a model that it is, or, over a WebSocket, the one that is under way.
    pub call: Option<ModelCall>,
    /// Messages of MCP in it, the first of them ([`crate::Limits::listed`]).
    pub mcp: Vec<McpMessage>,
    /// What is not certain about it.
    pub doubts: Doubts,
    pub(crate) fields: Vec<Field>,
}

impl Exchange {
    pub(crate) fn new(id: u64, protocol: Protocol, asked: Direction) -> Self {
        Self {
            id,
            protocol,
            asked,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            status: None,
            request: Content::default(),
            answer: Content::default(),
            call: None,
            mcp: Vec::new(),
            doubts: Doubts::default(),
            fields: Vec::new(),
        }
    }

    /// The fields of the head, or trailers, that is being told, for the scanner of secrets: of the request in [`crate::Told::Request`], of the
    /// answer in [`crate::Told::Answer`], and else none.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        self.doubts.add(doubt);
    }

    pub(crate) fn memory(&self) -> usize {
        let fields = self
            .fields
            .iter()
            .map(|field| 48 + field.name.len() + field.value.len());
        let mcp = self.mcp.iter().map(McpMessage::memory);
        let texts = self.method.len() + self.host.len() + self.path.len();
        size_of::<Self>()
            + texts
            + fields.sum::<usize>()
            + mcp.sum::<usize>()
            + self.call.as_ref().map_or(0, ModelCall::memory)
    }
}

/// Without field values.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &self.id)
            .field("protocol", &self.protocol)
            .field("asked", &self.asked)
            .field("method", &self.method)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("status", &self.status)
            .field("request", &self.request)
            .field("answer", &self.answer)
            .field("call", &self.call)
            .field("mcp", &self.mcp)
            .field("doubts", &self.doubts)
            .field("fields", &self.fields)
            .finish()
    }
}

/// What a conversation tells while it listens.
#[derive(Debug)]
pub enum Told<'a> {
    /// A request's head is there, and its fields ([`Exchange::fields`]).
    Request(&'a Exchange),
    /// The next bytes of a body: without framing, unmasked, and without their content coding.
    Body(Piece<'a>),
    /// The final answer's head is there, and its fields.
    Answer(&'a Exchange),
    /// Trailers of either half, in [`Exchange::fields`].
    Trailers(&'a Exchange),
    /// A request is for a model, by its path or by its shape. As soon as a document of the body ends, and at the request's end.
    Asks(&'a Exchange, Ask<'a>),
    /// A call of a model is over, and [`Exchange::call`] is all that is known about it: once for each call, of which a WebSocket may carry many.
    Call(&'a Exchange),
    /// A message of MCP, as soon as it has been read.
    Mcp(&'a Exchange, &'a McpMessage),
    /// A request calls a tool: as soon as the message that says so has been read. And at the end of a request in JSON that was not all
    /// readable, of which nobody can say whether it calls one.
    Calls(&'a Exchange, &'a ToolCall),
    /// It is over, complete or not.
    Done(&'a Exchange),
    /// From here on the connection speaks what is not understood here, and its bytes are only counted: once for each connection.
    Opaque(Opaque),
}

/// What a request asks of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// All that it names in its path, its query and its body, of which one will answer. None if that cannot be told, or not all of the request
    /// was readable.
    pub models: &'a [String],
    /// How many tokens it lets be answered, in all answers; `None` where it does not say so in the way of its API.
    pub most_output: Option<u64>,
}

/// Why a connection is not read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// It, or what goes through a tunnel in it, does not begin as HTTP does.
    NotHttp,
    /// It is a tunnel in a tunnel in a tunnel.
    Tunnel,
}

/// Bytes of a body. Its `Debug` does not show them.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    /// [`Exchange::id`]; 0 for bytes of which nobody can say what they belong to, behind a gap or what is malformed, given as they came.
    pub exchange: u64,
    /// Which way they went.
    pub direction: Direction,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Piece({}, {:?}, {} bytes)",
            self.exchange,
            self.direction,
            self.bytes.len()
        )
    }
}
