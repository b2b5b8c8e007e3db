//! A stream: bytes in as they come, bytes out as soon as nothing can change them any more.

use std::sync::Arc;

use crate::engine::{Engine, State};
use crate::finding::{Finding, WITHHELD};
use crate::replace::Hidden;
use crate::span::Span;
use crate::text::Text;

/// Bytes that stay at hand behind what was given out, for what verifiers look at before a hit.
const BEHIND: usize = 512;
/// Input is taken in pieces of this many bytes, so that what is looked at stays in the cache.
const PIECE: usize = 48 * 1024;
/// A value that is not at its end yet is looked at again only when this many bytes came, or an eighth of what is held.
const RETRY: usize = 2048;

/// One stream through an engine.
///
/// The output does not depend on how the input is cut: `push` gives out what is settled, and everything that is given out by `push` and
/// [`finish`](Self::finish) together is the same for every cut. On ordinary text a few bytes are held back; behind the beginning of a
/// value, the value, of which not more than 16 KiB.
#[derive(Debug)]
pub struct Redactor {
    engine: Arc<Engine>,
    stream: Stream,
    output: Output,
}

/// What is at hand of the input. Its `Debug` shows no bytes.
#[derive(Clone, Default)]
struct Stream {
    bytes: Vec<u8>,
    /// Stream position of the first of them.
    base: u64,
    state: State,
    /// Stream position up to which the input was given out.
    given: u64,
    /// Bytes at hand when something unfinished was last looked at.
    looked: usize,
    waiting: bool,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    findings: Vec<Finding>,
    /// What stands in place of each, where that alone is wanted.
    replacements: Vec<Vec<u8>>,
    wanted: Wanted,
}

/// What a stream is for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Wanted {
    /// The redacted text.
    #[default]
    Text,
    /// What was found.
    Findings,
    /// What was found, and what to write in its place.
    Replacements,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes held of the stream from {}", self.bytes.len(), self.base)
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, {} findings", self.bytes.len(), self.findings.len())
    }
}

impl Redactor {
    /// A new stream.
    #[must_use]
    pub fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            stream: Stream::default(),
            output: Output::default(),
        }
    }

    /// A new stream of which only the findings are wanted; `push` and `finish` give nothing out.
    #[must_use]
    pub fn detector(engine: &Arc<Engine>) -> Self {
        let mut redactor = Self::new(engine);
        redactor.output.wanted = Wanted::Findings;
        redactor
    }

    /// The same, and of each finding what is to stand in its place.
    pub(crate) fn replacing(engine: &Arc<Engine>) -> Self {
        let mut redactor = Self::new(engine);
        redactor.output.wanted = Wanted::Replacements;
        redactor
    }

    /// Takes the findings of a [`replacing`](Self::replacing) stream with their replacements.
    pub(crate) fn take_replaced(&mut self) -> impl Iterator<Item = (Finding, Vec<u8>)> + use<> {
        let replacements = std::mem::take(&mut self.output.replacements);
        self.take_findings().into_iter().zip(replacements)
    }

    /// Takes the next bytes; what is settled by them, redacted.
    pub fn push(&mut self, input: &[u8]) -> &[u8] {
        self.output.bytes.clear();
        for piece in input.chunks(PIECE) {
            self.stream.bytes.extend_from_slice(piece);
            if self.stream.is_worth_a_look() {
                self.advance(false);
            }
        }
        &self.output.bytes
    }

    /// The end of the stream; what was held back, redacted. The next `push` begins a new stream.
    pub fn finish(&mut self) -> &[u8] {
        self.output.bytes.clear();
        self.advance(true);
        self.stream = Stream::default();
        &self.output.bytes
    }

    /// Takes the findings of what was given out since they were last taken, in order.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.output.findings)
    }

    /// What else would be found if the stream ended here. It goes on as if nobody had asked.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Finding> {
        let mut end = Self {
            stream: self.stream.clone(),
            ..Self::detector(&self.engine)
        };
        end.advance(true);
        end.output.findings
    }

    /// Bytes that are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        let end = self.stream.base + self.stream.bytes.len() as u64;
        usize::try_from(end.saturating_sub(self.stream.given)).unwrap_or(usize::MAX)
    }

    fn advance(&mut self, last: bool) {
        let stream = &mut self.stream;
        let text = Text::new(&stream.bytes, last);
        let settled = self.engine.scan(&text, stream.base, &mut stream.state, 0);
        stream.waiting = text.bytes.len() - settled > RETRY;
        stream.looked = text.bytes.len();
        let until = stream.state.open_from().unwrap_or(stream.base + settled as u64);
        self.output.give(&self.engine, stream, last, until);
        stream.compact(settled);
    }
}

impl Stream {
    /// Whether enough came since something unfinished was looked at in vain.
    fn is_worth_a_look(&self) -> bool {
        !self.waiting || self.bytes.len() - self.looked >= RETRY.max(self.looked / 8)
    }

    /// Drops what nobody looks at any more.
    fn compact(&mut self, settled: usize) {
        let given = usize::try_from(self.given.saturating_sub(self.base)).unwrap_or(0);
        let keep = if self.state.open_from().is_some() {
            settled
        } else {
            given.min(self.state.needed())
        };
        let drop = keep.min(self.bytes.len()).saturating_sub(BEHIND);
        if drop > 0 {
            self.bytes.drain(..drop);
            self.base += drop as u64;
            self.state.forget(drop);
            self.looked = self.looked.saturating_sub(drop);
        }
    }
}

impl Output {
    /// Gives out everything before `until`, and spans whole.
    fn give(&mut self, engine: &Engine, stream: &mut Stream, last: bool, until: u64) {
        let straddling = stream.state.spans.as_slice().iter().find(|span| span.end > until);
        let until = straddling.map_or(until, |span| span.start.min(until));
        for span in stream.state.spans.take_until(until) {
            self.copy(stream, span.start);
            let written = if span.example {
                self.copy(stream, span.end);
                Vec::new()
            } else {
                stream.given = stream.given.max(span.end);
                self.replacement(engine, stream, last, &span)
            };
            match self.wanted {
                Wanted::Text => self.bytes.extend_from_slice(&written),
                Wanted::Findings => {}
                Wanted::Replacements => self.replacements.push(written),
            }
            self.findings.push(finding(engine, &span));
        }
        self.copy(stream, until);
    }

    /// Gives out the input up to a position.
    fn copy(&mut self, stream: &mut Stream, to: u64) {
        if to <= stream.given {
            return;
        }
        if self.wanted == Wanted::Text {
            let at = |position: u64| usize::try_from(position.saturating_sub(stream.base)).unwrap_or(usize::MAX);
            let bytes = stream.bytes.get(at(stream.given)..at(to)).unwrap_or_default();
            self.bytes.extend_from_slice(bytes);
        }
        stream.given = to;
    }

    /// What stands in place of a span.
    fn replacement(&self, engine: &Engine, stream: &Stream, last: bool, span: &Span) -> Vec<u8> {
        let mut written = Vec::new();
        if self.wanted == Wanted::Findings {
            return written;
        }
        let at = |position: u64| usize::try_from(position.saturating_sub(stream.base)).unwrap_or(0);
        let hidden = Hidden {
            text: Text::new(&stream.bytes, last),
            start: at(span.start),
            end: at(span.end),
            kind: kind(engine, span),
            layer: span.layer,
            whole: !span.oversized,
            length: usize::try_from(span.end - span.start).unwrap_or(usize::MAX),
        };
        engine.style.write(&hidden, &mut written);
        written
    }
}

fn kind(engine: &Engine, span: &Span) -> &'static str {
    match span.reason {
        Some(_) => WITHHELD,
        None => engine
            .detector(span.detector)
            .map_or(WITHHELD, crate::detector::Detector::name),
    }
}

fn finding(engine: &Engine, span: &Span) -> Finding {
    let detector = engine.detector(span.detector);
    Finding {
        start: span.start,
        end: span.end,
        kind: kind(engine, span),
        class: detector.map_or(crate::Class::Secret, crate::detector::Detector::class),
        confidence: span.confidence,
        risk: detector.map_or(crate::Risk::High, crate::detector::Detector::risk),
        example: span.example,
        reason: span.reason,
    }
}
