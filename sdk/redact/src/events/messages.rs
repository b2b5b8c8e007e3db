use std::sync::Arc;

use super::pieces::{Pieces, Shifts};
use crate::engine::Engine;
use crate::finding::Finding;
use crate::redactor::Redactor;

/// One direction of a connection that carries messages (RFC 6455), each a JSON document or any other text, as models' realtime
/// interfaces and MCP have it.
///
/// A value spread over messages is found, and hidden in the pieces it came in. As many messages come out as went in, in order; one may
/// wait until what it begins is settled. Messages are given without their frames' heads and masks, and whole.
///
/// ```
/// use std::sync::Arc;
/// use aa_redact::{Engine, MessageRedactor, Options};
///
/// # fn main() -> Result<(), aa_redact::EngineError> {
/// let mut messages = MessageRedactor::new(&Arc::new(Engine::new(&Options::default())?));
/// let mut output = messages.push(br#"{"type":"response.output_text.delta","delta":"password: q8Z"}"#);
/// output.extend(messages.push(br#"{"type":"response.output_text.delta","delta":"k2mPw and"}"#));
/// output.extend(messages.finish());
/// assert_eq!(output[0], br#"{"type":"response.output_text.delta","delta":"password: [REDACTED:password]"}"#);
/// assert_eq!(output[1], br#"{"type":"response.output_text.delta","delta":" and"}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessageRedactor {
    whole: Redactor,
    pieces: Pieces,
}

impl MessageRedactor {
    /// A new connection.
    #[must_use]
    pub fn new(engine: &Arc<Engine>) -> Self {
        Self {
            whole: Redactor::new(engine),
            pieces: Pieces::new(engine),
        }
    }

    /// Takes the next message; those that are settled by it, redacted.
    pub fn push(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        self.pieces.take(message.to_vec(), Some(0));
        self.release()
    }

    /// The end of the connection, or of an answer; what was held back, redacted.
    pub fn finish(&mut self) -> Vec<Vec<u8>> {
        self.pieces.end();
        self.release()
    }

    /// Takes the findings since they were last taken, a value that came in pieces once for each. Positions are in all messages of the
    /// connection, one behind the other.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.pieces.findings);
        findings.sort_by_key(|finding| (finding.start, finding.end));
        findings
    }

    fn release(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Some(line) = self.pieces.next_settled() {
            let mut shifts = Shifts::default();
            shifts.step(0, line.raw);
            let edited = shifts.edit(&line);
            let mut output = self.whole.push(&edited).to_vec();
            output.extend_from_slice(self.whole.finish());
            let found = self.whole.take_findings();
            self.pieces
                .findings
                .extend(found.into_iter().map(|finding| shifts.moved(finding)));
            messages.push(output);
        }
        messages
    }
}
