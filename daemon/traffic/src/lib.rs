//! What an agent says over one connection, from the plaintext of both its directions: HTTP exchanges, the calls of models in them with what
//! they cost by the provider's own answer, and messages of MCP.
//!
//! [`Conversation`] is one connection, [`StdioMcp`] a server behind pipes. Bytes go in as they were written and read, cut anywhere, and what
//! they say is told at once; of bodies nothing is kept. All of them are an attacker's: what is kept is bounded ([`Limits`]), time is
//! linear, what is not certain has its [`Doubt`], and what cannot be read is told as it came. No I/O, no unsafe code, and no `Debug` that
//! shows bodies or values of fields.
//!
//! ```
//! use aa_traffic::{Conversation, Direction, Limits, Told};
//!
//! let request = b"POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Length: 27\r\n\r\n{\"model\":\"claude-sonnet-5\"}";
//! let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n{\"usage\":{\"input_tokens\":12,\"output_tokens\":345}}";
//! let mut connection = Conversation::new(Limits::default());
//! let mut calls = Vec::new();
//! let mut tell = |told: Told<'_>| {
//!     if let Told::Call(exchange) = told {
//!         calls.extend(exchange.call.clone());
//!     }
//! };
//! connection.bytes(Direction::Sent, request, &mut tell);
//! connection.bytes(Direction::Received, answer, &mut tell);
//! assert_eq!((calls[0].model_asked.as_str(), calls[0].usage.output), ("claude-sonnet-5", Some(345)));
//! ```
//!
//! Not read: HTTP/3, which is no TLS connection; what gRPC and forms have in their bodies, beyond giving the bytes; payloads of a WebSocket's
//! control frames, padding of HTTP/2 and extensions of chunks, which are not told either; certificates, and whether a host is who it says.
//!
//! * `beginning`, `conversation`: which protocol a connection speaks. `http1`, `http2` with `hpack`, `websocket`:
//!   its messages.
//! * `live`: one exchange while it happens. `content`: content codings undone. `sse`, `eventstream`, `json`: what is
//!   read of a body, as it comes.
//! * `model`: which values of it are of a call. `mcp`: which are of a message.

mod beginning;
mod content;
mod conversation;
mod doubt;
mod eventstream;
mod exchange;
mod hpack;
mod http1;
mod http2;
mod json;
mod limits;
mod live;
mod mcp;
mod model;
mod sse;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod websocket;

pub use conversation::Conversation;
pub use doubt::{Doubt, Doubts};
pub use exchange::{Ask, Content, Direction, Exchange, Field, Opaque, Piece, Protocol, Told};
pub use limits::Limits;
pub use mcp::{McpKind, McpMessage, StdioMcp, ToolCall};
pub use model::{Api, ModelCall, Provider, Usage};
