//! JSON-RPC 2.0 as MCP speaks it (specification of 2025-06-18), over HTTP, a WebSocket or pipes.

mod stdio;

pub use stdio::StdioMcp;

use crate::exchange::Direction;
use crate::json::Leaf;

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum McpKind {
    /// Has a method and wants an answer.
    Request,
    /// Has a method and wants none.
    #[default]
    Notification,
    /// Answers a request.
    Result,
    /// Answers one with an error of the protocol.
    Error,
}

/// One message. Any JSON-RPC 2.0 is taken for one: what is not MCP has other methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpMessage {
    /// Which way it went.
    pub direction: Direction,
    /// What it is.
    pub kind: McpKind,
    /// What a request and its answer have in common, a number or a text; empty in a notification, or where it is longer than 256 bytes.
    pub id: String,
    /// `tools/call` and the like; empty in an answer.
    pub method: String,
    /// `params.name`, which of `tools/call` is the tool's and of `prompts/get` the prompt's, or `params.uri` of a resource.
    pub name: String,
    /// `result.isError`, or an error of the protocol.
    pub is_error: bool,
}

impl McpMessage {
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.method.len() + self.name.len()
    }
}

/// A message of which not all has been read.
#[derive(Default)]
pub(crate) struct Draft {
    is_rpc: bool,
    id: String,
    method: String,
    name: String,
    answer: Option<McpKind>,
    is_error: bool,
}

impl Draft {
    /// Takes a value of a document; the message, if it ends with it.
    pub(crate) fn value(&mut self, path: &str, leaf: Leaf<'_>, direction: Direction) -> Option<McpMessage> {
        // A batch is an array of messages.
        let path = path
            .strip_prefix("[]")
            .map_or(path, |path| path.trim_start_matches('.'));
        match (path, leaf) {
            ("", Leaf::Object) => *self = Self::default(),
            ("", Leaf::End) => return std::mem::take(self).message(direction),
            ("jsonrpc", Leaf::Text("2.0")) => self.is_rpc = true,
            ("id", Leaf::Text(id) | Leaf::Number(id)) => id.clone_into(&mut self.id),
            ("method", Leaf::Text(method)) => method.clone_into(&mut self.method),
            ("params.name" | "params.uri", Leaf::Text(name)) => name.clone_into(&mut self.name),
            ("result.isError", Leaf::Bool(is_error)) => self.is_error = is_error,
            ("result", _) => self.answer = Some(McpKind::Result),
            ("error", Leaf::Object) => {
                self.answer = Some(McpKind::Error);
                self.is_error = true;
            }
            _ => {}
        }
        None
    }

    fn message(self, direction: Direction) -> Option<McpMessage> {
        let asked = if self.id.is_empty() {
            McpKind::Notification
        } else {
            McpKind::Request
        };
        let kind = if self.method.is_empty() { self.answer? } else { asked };
        self.is_rpc.then_some(McpMessage {
            direction,
            kind,
            id: self.id,
            method: self.method,
            name: self.name,
            is_error: self.is_error,
        })
    }

    pub(crate) fn memory(&self) -> usize {
        self.id.capacity() + self.method.capacity() + self.name.capacity()
    }
}
