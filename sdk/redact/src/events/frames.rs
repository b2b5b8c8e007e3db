use std::collections::VecDeque;
use std::sync::Arc;

use super::deflate::Inflater;
use super::messages::MessageRedactor;
use super::wire::{CLOSE, COMPRESSED, CONTINUATION, Fault, Frame, Head, write};
use crate::engine::Engine;
use crate::finding::{Finding, Reason, WITHHELD_LABEL};
use crate::redactor::Redactor;

/// The longest message that is put together, in bytes.
const MESSAGE_MAX: usize = 16 << 20;

/// Whose messages a direction of a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Who asked for the connection.
    Client,
    /// Who was asked.
    Server,
}

/// One direction of a WebSocket connection behind its handshake: the bytes of its frames (RFC 6455, 5).
///
/// Fragments are put together, masks taken off, and the messages go through a [`MessageRedactor`]: a value spread over messages is found. Each
/// message comes out as one frame, masked with the key it came with, in order; pings, pongs and what else may stand between fragments come out
/// when they came in.
///
/// Compressed messages (permessage-deflate, RFC 7692) are inflated if the handshake agreed to them, and come out as they are then: a sender may
/// leave any message uncompressed. One that cannot be inflated, or only to more than 16 MiB or 200 to one, is withheld whole; so are messages of
/// other extensions, and of any where [`new`](Self::new) knows of none. What is no frame, or a message of more than 16 MiB, ends the direction with
/// a close frame (1002, 1009); nothing behind it is given out. Each of these is among the findings, with a [`Reason`].
///
/// ```
/// use std::sync::Arc;
/// use aa_redact::{Engine, FrameRedactor, Options};
///
/// # fn main() -> Result<(), aa_redact::EngineError> {
/// let mut frames = FrameRedactor::new(&Arc::new(Engine::new(&Options::default())?));
/// let mut output = frames.push(b"\x01\x11password: q8Zk2mP").to_vec();
/// output.extend_from_slice(frames.push(b"\x80\x05w and"));
/// output.extend_from_slice(frames.finish());
/// assert_eq!(output, b"\x81\x21password: [REDACTED:password] and");
/// # Ok(())
/// # }
/// ```
pub struct FrameRedactor {
    engine: Arc<Engine>,
    messages: MessageRedactor,
    inflater: Option<Inflater>,
    /// A frame that is not all here yet.
    input: Vec<u8>,
    /// A message whose last fragment is not here yet.
    open: Option<(Head, Vec<u8>)>,
    /// What the last frame was masked with.
    key: Option<[u8; 4]>,
    /// Of the messages that were given on and have not come back.
    heads: VecDeque<Head>,
    /// Bytes of the messages given on.
    taken: u64,
    ended: bool,
    withheld: Vec<Finding>,
    output: Vec<u8>,
}

impl std::fmt::Debug for FrameRedactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "FrameRedactor({} bytes of messages taken, {} messages held)",
            self.taken,
            self.heads.len()
        )
    }
}

impl FrameRedactor {
    /// A new direction of a connection.
    #[must_use]
    pub fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            messages: MessageRedactor::new(engine),
            inflater: None,
            input: Vec::new(),
            open: None,
            key: None,
            heads: VecDeque::new(),
            taken: 0,
            ended: false,
            withheld: Vec::new(),
            output: Vec::new(),
        }
    }

    /// The same behind a handshake in which the server answered with extensions: the value of its `Sec-WebSocket-Extensions`, which may be empty.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use aa_redact::{Engine, FrameRedactor, Options, Sender};
    ///
    /// # fn main() -> Result<(), aa_redact::EngineError> {
    /// let engine = Arc::new(Engine::new(&Options::default())?);
    /// let mut frames = FrameRedactor::agreed(&engine, "permessage-deflate; client_no_context_takeover", Sender::Server);
    /// // "Hello" twice, the second by reference to the first (RFC 7692, 7.2.3.2).
    /// let mut output = frames.push(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00").to_vec();
    /// output.extend_from_slice(frames.push(b"\xc1\x05\xf2\x00\x11\x00\x00"));
    /// assert_eq!(output, b"\x81\x05Hello\x81\x05Hello");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn agreed(engine: &Arc<Engine>, extensions: &str, sender: Sender) -> Self {
        let no_takeover = match sender {
            Sender::Client => "client_no_context_takeover",
            Sender::Server => "server_no_context_takeover",
        };
        Self {
            inflater: Inflater::agreed(extensions, no_takeover),
            ..Self::new(engine)
        }
    }

    /// Takes the next bytes; the frames that are settled by them, redacted.
    pub fn push(&mut self, input: &[u8]) -> &[u8] {
        self.output.clear();
        if self.ended {
            return &self.output;
        }
        self.input.extend_from_slice(input);
        let mut at = 0;
        while !self.ended {
            match Frame::read(self.input.get(at..).unwrap_or_default(), MESSAGE_MAX) {
                Ok(Some((frame, length))) => {
                    at += length;
                    self.frame(frame);
                }
                Ok(None) => break,
                Err(fault) => self.fail(fault),
            }
        }
        if self.ended {
            self.input = Vec::new();
        } else {
            self.input.drain(..at);
        }
        &self.output
    }

    /// The end of the connection; what was held back, redacted. A frame or message that is not at its end is dropped.
    pub fn finish(&mut self) -> &[u8] {
        self.output.clear();
        if !self.ended {
            self.settle();
        }
        &self.output
    }

    /// Takes the findings since they were last taken, a value that came in pieces once for each. Positions are in all messages of the direction,
    /// one behind the other, inflated and without their frames.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = self.messages.take_findings();
        findings.append(&mut self.withheld);
        findings.sort_by_key(|finding| (finding.start, finding.end));
        findings
    }

    fn frame(&mut self, frame: Frame) {
        self.key = frame.head.key;
        if frame.head.is_control() {
            return self.control(&frame);
        }
        let whole = frame.last;
        let begun = match (frame.head.opcode, self.open.take()) {
            // Of an extension is a message, and its first frame says so (RFC 7692, 6.1).
            (CONTINUATION, Some((head, mut payload))) if frame.head.reserved == 0 => {
                payload.extend_from_slice(&frame.payload);
                (head, payload)
            }
            (CONTINUATION, _) | (_, Some(_)) => return self.fail(Fault::Malformed),
            (_, None) => (frame.head, frame.payload),
        };
        match begun {
            (_, payload) if payload.len() > MESSAGE_MAX => self.fail(Fault::TooLong),
            begun if !whole => self.open = Some(begun),
            (head, payload) if head.reserved != 0 => self.extended(head, &payload),
            (head, payload) => self.message(head, &payload),
        }
    }

    /// A message of an extension, which is one of none behind this.
    fn extended(&mut self, head: Head, payload: &[u8]) {
        let inflated = match &mut self.inflater {
            Some(inflater) if head.reserved == COMPRESSED => inflater.message(payload, MESSAGE_MAX),
            _ => Err(Reason::UnknownEncoding),
        };
        match inflated {
            Ok(payload) => self.message(head, &payload),
            Err(reason) => {
                self.message(head, WITHHELD_LABEL);
                self.withhold(WITHHELD_LABEL.len() as u64, reason);
            }
        }
    }

    fn message(&mut self, head: Head, payload: &[u8]) {
        self.heads.push_back(head);
        self.taken += payload.len() as u64;
        let settled = self.messages.push(payload);
        self.give(settled);
    }

    /// Pings, pongs and closes: out at once, a close behind everything else. What is to be hidden in one keeps its length, which is bounded.
    fn control(&mut self, frame: &Frame) {
        let mut redactor = Redactor::detector(&self.engine);
        redactor.push(&frame.payload);
        redactor.finish();
        let found = redactor.take_findings();
        let hidden = found.iter().any(|finding| !finding.example);
        let code = if frame.head.opcode == CLOSE { 2 } else { 0 };
        let mut payload = frame.payload.clone();
        if hidden {
            payload.iter_mut().skip(code).for_each(|byte| *byte = b'*');
        }
        // A control frame has no place among the messages: it stands between two of them.
        let between = |finding: Finding| Finding {
            start: self.taken,
            end: self.taken,
            ..finding
        };
        self.withheld.extend(found.into_iter().map(between));
        if frame.head.opcode == CLOSE {
            self.settle();
            self.ended = true;
        }
        write(frame.head, &payload, &mut self.output);
    }

    fn settle(&mut self) {
        let settled = self.messages.finish();
        self.give(settled);
    }

    fn give(&mut self, messages: Vec<Vec<u8>>) {
        for message in messages {
            if let Some(head) = self.heads.pop_front() {
                write(head, &message, &mut self.output);
            }
        }
    }

    /// The direction cannot be read on.
    fn fail(&mut self, fault: Fault) {
        self.settle();
        let (code, reason) = match fault {
            Fault::Malformed => (1002_u16, Reason::Undecodable),
            Fault::TooLong => (1009, Reason::DecodeLimit),
        };
        let head = Head {
            opcode: CLOSE,
            reserved: 0,
            key: self.key,
        };
        write(head, &code.to_be_bytes(), &mut self.output);
        self.withhold(0, reason);
        self.ended = true;
    }

    /// Notes that what ends here, so many bytes of it, was hidden unseen.
    fn withhold(&mut self, length: u64, reason: Reason) {
        self.withheld
            .push(Finding::withheld(self.taken - length, self.taken, reason));
    }
}
