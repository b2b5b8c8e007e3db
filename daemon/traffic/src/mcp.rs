//! JSON-RPC 2.0 as MCP speaks it (specification of 2025-06-18), over HTTP, a WebSocket or pipes.

mod call;
mod stdio;

pub use call::ToolCall;
pub use stdio::StdioMcp;

use call::Arguments;

use crate::exchange::Direction;
use crate::json::Leaf;
use crate::model::TEXT_MAX;

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
    call: CallDraft,
}

/// What it says of the call of a tool.
#[derive(Default)]
struct CallDraft {
    /// A method is named that calls one.
    calls: bool,
    /// Fields of which something was told, a bit for each.
    seen: u8,
    /// Readers could differ on what the message says: one takes the first of two equal keys and the next the last, and some do not mind
    /// capital letters (Go's `encoding/json`) or fold them beyond ASCII.
    odd: bool,
    arguments: Arguments,
}

/// A message, and the call of a tool that it is.
pub(crate) struct Read {
    pub(crate) message: Option<McpMessage>,
    pub(crate) call: Option<ToolCall>,
}

const CALLS: &str = "tools/call";
/// What a call depends on.
const CALL_FIELDS: [&str; 4] = ["method", "params", "params.name", "params.arguments"];
const ARGUMENTS: &str = "params.arguments";

impl Draft {
    /// Takes a value of a document; what ends with it.
    pub(crate) fn value(&mut self, path: &str, leaf: Leaf<'_>, direction: Direction) -> Option<Read> {
        // A batch is an array of messages.
        let path = path
            .strip_prefix("[]")
            .map_or(path, |path| path.trim_start_matches('.'));
        self.call.value(path, leaf);
        match (path, modest(leaf)) {
            ("", Leaf::Object) => *self = Self::default(),
            ("", Leaf::End) => return Some(std::mem::take(self).read(direction)),
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

    /// The key of the next value.
    pub(crate) fn key(&mut self, key: Option<&str>) {
        self.call.arguments.key(key);
    }

    /// What follows is too deep to be told.
    pub(crate) fn deep(&mut self) {
        self.call.arguments.deep();
    }

    fn read(mut self, direction: Direction) -> Read {
        let call = std::mem::take(&mut self.call).finish(&self.name);
        let message = self.message(direction);
        Read { message, call }
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
        self.id.capacity() + self.method.capacity() + self.name.capacity() + self.call.arguments.memory()
    }
}

/// Texts longer than names are are not kept.
pub(crate) fn modest(leaf: Leaf<'_>) -> Leaf<'_> {
    match leaf {
        Leaf::Text(text) if text.len() > TEXT_MAX => Leaf::LongText,
        leaf => leaf,
    }
}

impl CallDraft {
    fn value(&mut self, path: &str, leaf: Leaf<'_>) {
        let is_end = matches!(leaf, Leaf::End | Leaf::ArrayEnd);
        if let Some(place) = CALL_FIELDS.iter().position(|field| field.eq_ignore_ascii_case(path)) {
            let bit = 1 << place;
            self.odd |= !is_end && self.seen & bit != 0 || !CALL_FIELDS.contains(&path);
            self.seen |= bit;
            self.calls |= place == 0 && leaf == Leaf::Text(CALLS);
            self.odd |= matches!(place, 0 | 2) && !matches!(modest(leaf), Leaf::Text(_));
            self.odd |= place == 1 && !matches!(leaf, Leaf::Object | Leaf::End | Leaf::Null);
        }
        // Of keys that are told as `?` nobody can say what others take them for.
        self.odd |= matches!(path, "?" | "params.?");
        if is_below(path, ARGUMENTS) {
            self.arguments.value(leaf);
        }
    }

    fn finish(self, name: &str) -> Option<ToolCall> {
        let named = !self.odd && !name.is_empty();
        self.calls.then(|| ToolCall {
            name: named.then(|| name.to_owned()),
            arguments: self.arguments.finish().filter(|_| named),
        })
    }
}

/// Whether a path is another, whatever the letters, or leads to something in it.
fn is_below(path: &str, other: &str) -> bool {
    let (head, rest) = path.as_bytes().split_at(path.len().min(other.len()));
    head.eq_ignore_ascii_case(other.as_bytes()) && matches!(rest.first(), None | Some(b'.' | b'['))
}
