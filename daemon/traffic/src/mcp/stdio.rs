use std::fmt;

use super::{Draft, McpMessage};
use crate::exchange::Direction;
use crate::json::{Leaf, Listen, Scanner};
use crate::model::TEXT_MAX;

/// MCP over the pipes of a server: a message a line (specification of 2025-06-18, Transports, stdio).
///
/// ```
/// use aa_traffic::{Direction, StdioMcp};
///
/// let mut pipes = StdioMcp::default();
/// let mut tools = Vec::new();
/// let line = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all"}}"#;
/// pipes.bytes(Direction::Sent, line, &mut |message| tools.push(message.name.clone()));
/// pipes.bytes(Direction::Sent, b"\n", &mut |message| tools.push(message.name.clone()));
/// assert_eq!(tools, ["delete_all"]);
/// ```
#[derive(Default)]
pub struct StdioMcp {
    sent: Half,
    received: Half,
}

struct Half {
    scanner: Scanner,
    draft: Draft,
    /// Up to the next line there is only the rest of one that was torn.
    torn: bool,
    unreadable: u64,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            scanner: Scanner::new(TEXT_MAX),
            draft: Draft::default(),
            torn: false,
            unreadable: 0,
        }
    }
}

impl fmt::Debug for StdioMcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StdioMcp({} unreadable lines)", self.unreadable())
    }
}

struct Listener<'a> {
    draft: &'a mut Draft,
    direction: Direction,
    tell: &'a mut dyn FnMut(&McpMessage),
}

impl Listen for Listener<'_> {
    fn value(&mut self, path: &str, leaf: Leaf<'_>) {
        let read = self.draft.value(path, leaf, self.direction);
        if let Some(message) = read.and_then(|read| read.message) {
            (self.tell)(&message);
        }
    }
}

impl StdioMcp {
    /// Takes the next bytes of a direction.
    pub fn bytes(&mut self, direction: Direction, bytes: &[u8], tell: &mut dyn FnMut(&McpMessage)) {
        self.half(direction).push(bytes, direction, tell);
    }

    /// Bytes were lost before the next ones: the line they were in is not read.
    pub fn gap(&mut self, direction: Direction) {
        let half = self.half(direction);
        *half = Half {
            torn: true,
            unreadable: half.unreadable + 1,
            ..Half::default()
        };
    }

    /// The pipes are closed.
    pub fn closed(&mut self, tell: &mut dyn FnMut(&McpMessage)) {
        for direction in [Direction::Sent, Direction::Received] {
            self.half(direction).end_line(direction, tell);
        }
    }

    /// Lines that were no JSON, or not all there.
    pub fn unreadable(&self) -> u64 {
        self.sent.unreadable + self.received.unreadable
    }

    /// Bytes that are kept.
    pub fn memory(&self) -> usize {
        let of = |half: &Half| half.scanner.memory() + half.draft.memory();
        size_of::<Self>() + of(&self.sent) + of(&self.received)
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }
}

impl Half {
    fn push(&mut self, bytes: &[u8], direction: Direction, tell: &mut dyn FnMut(&McpMessage)) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.torn {
                let draft = &mut self.draft;
                self.scanner.push(line, &mut Listener { draft, direction, tell });
            }
            if line.ends_with(b"\n") {
                self.end_line(direction, tell);
            }
        }
    }

    fn end_line(&mut self, direction: Direction, tell: &mut dyn FnMut(&McpMessage)) {
        let draft = &mut self.draft;
        let whole = self.scanner.end(&mut Listener { draft, direction, tell });
        if !whole && !self.torn {
            self.unreadable += 1;
        }
        self.torn = false;
    }
}
