//! Server-sent events, and messages, in which a model's words come in pieces.
//!
//! The pieces of one answer (OpenAI's `delta.content`, Anthropic's `partial_json`, Gemini's `parts[].text`, MCP's notifications) are put together
//! into one virtual text, looked at there, and what is hidden is hidden in the pieces it came in: the name stands in the first, the others lose
//! their part; a mask stands in each. Then the line as a whole goes through an ordinary stream, which sees everything else in it. Every line is JSON after as before.

mod deflate;
mod frames;
mod messages;
mod pieces;
mod wire;

pub use frames::{FrameRedactor, Sender};
pub use messages::MessageRedactor;

use std::sync::Arc;

use crate::engine::Engine;
use crate::finding::Finding;
use crate::redactor::Redactor;
use pieces::{LINE_MAX, Pieces, Shifts};

/// A stream of server-sent events (or of JSON messages, one per line behind `data:`).
///
/// Like [`Redactor`], and lines are given out when the words in them are settled.
///
/// ```
/// use std::sync::Arc;
/// use aa_redact::{Engine, EventRedactor, Options};
///
/// # fn main() -> Result<(), aa_redact::EngineError> {
/// let mut events = EventRedactor::new(&Arc::new(Engine::new(&Options::default())?));
/// let event = |text| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
/// let mut output = events.push(event("password: q8Z").as_bytes()).to_vec();
/// output.extend_from_slice(events.push(event("k2mPw and").as_bytes()));
/// output.extend_from_slice(events.finish());
/// assert_eq!(output, [event("password: [REDACTED:password]"), event(" and")].concat().into_bytes());
/// # Ok(())
/// # }
/// ```
pub struct EventRedactor {
    lines: Redactor,
    pieces: Pieces,
    partial: Vec<u8>,
    output: Vec<u8>,
    shifts: Shifts,
}

impl std::fmt::Debug for EventRedactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventRedactor({:?})", self.pieces)
    }
}

impl EventRedactor {
    /// A new stream.
    #[must_use]
    pub fn new(engine: &Arc<Engine>) -> Self {
        Self {
            lines: Redactor::new(engine),
            pieces: Pieces::new(engine),
            partial: Vec::new(),
            output: Vec::new(),
            shifts: Shifts::default(),
        }
    }

    /// Takes the next bytes; what is settled by them, redacted.
    pub fn push(&mut self, input: &[u8]) -> &[u8] {
        self.output.clear();
        let mut rest = input;
        while !rest.is_empty() {
            let room = LINE_MAX - self.partial.len();
            let head = rest.get(..room).unwrap_or(rest);
            let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
            let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = tail;
            self.partial.extend_from_slice(line);
            if self.partial.ends_with(b"\n") || self.partial.len() >= LINE_MAX {
                self.line();
            }
        }
        &self.output
    }

    /// The end of the stream; what was held back, redacted.
    pub fn finish(&mut self) -> &[u8] {
        self.output.clear();
        if !self.partial.is_empty() {
            self.line();
        }
        self.pieces.end();
        self.release();
        self.output.extend_from_slice(self.lines.finish());
        self.note();
        &self.output
    }

    /// Takes the findings since they were last taken. A value that came in pieces is told once for each piece.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.pieces.findings);
        findings.sort_by_key(|finding| (finding.start, finding.end));
        findings
    }

    fn line(&mut self) {
        let bytes = std::mem::take(&mut self.partial);
        let field = b"data:";
        let json = bytes.starts_with(field).then_some(field.len());
        self.pieces.take(bytes, json);
        self.release();
    }

    /// Gives on the lines at the front of which every piece is settled.
    fn release(&mut self) {
        while let Some(line) = self.pieces.next_settled() {
            let edited = self.shifts.edit(&line);
            self.output.extend_from_slice(self.lines.push(&edited));
            self.note();
        }
    }

    /// Takes over what the ordinary stream found, in raw positions.
    fn note(&mut self) {
        let found = self.lines.take_findings();
        self.pieces
            .findings
            .extend(found.into_iter().map(|finding| self.shifts.moved(finding)));
    }
}
