//! Server-sent events in which a model's words come in pieces.
//!
//! The pieces of one answer (OpenAI's `delta.content`, Anthropic's `partial_json`, Gemini's `parts[].text`, MCP's notifications) are put together
//! into one virtual text, looked at there, and what is hidden is hidden in the pieces it came in: the name stands in the first, the others lose
//! their part. Then the line as a whole goes through an ordinary stream, which sees everything else in it. Every line is JSON after as before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::engine::Engine;
use crate::finding::Finding;
use crate::leaves::leaves;
use crate::redactor::Redactor;

/// A longer line is not taken apart.
const LINE_MAX: usize = 256 * 1024;
/// Lines that wait for what their pieces turn out to be, in bytes. At this bound what is open is judged as if it had ended.
const WAITING_MAX: usize = 256 * 1024;
/// Parallel virtual texts. More are judged piece by piece.
const STREAMS_MAX: usize = 64;
/// Members that carry pieces of text.
const PIECES: [&str; 13] = [
    "content",
    "text",
    "partial_json",
    "arguments",
    "thinking",
    "reasoning_content",
    "reasoning",
    "delta",
    "refusal",
    "transcript",
    "completion",
    "data",
    "message",
];

/// A stream of server-sent events (or of JSON messages, one per line behind `data:`).
///
/// Like [`Redactor`], and lines are given out when the words in them are settled.
#[derive(Debug)]
pub struct EventRedactor {
    engine: Arc<Engine>,
    lines: Redactor,
    texts: BTreeMap<String, Text>,
    waiting: VecDeque<Line>,
    waiting_bytes: usize,
    partial: Vec<u8>,
    /// Raw bytes taken up to the end of the last whole line.
    taken: u64,
    output: Vec<u8>,
    findings: Vec<Finding>,
    shifts: Shifts,
}

/// One virtual text. Its `Debug` shows no bytes, for there are none but in its redactor.
#[derive(Debug)]
struct Text {
    redactor: Redactor,
    /// Bytes of it so far.
    length: u64,
    /// Up to where it is settled.
    settled: u64,
}

/// A line that waits. Its `Debug` is not derived: it holds bytes.
struct Line {
    bytes: Vec<u8>,
    raw: u64,
    pieces: Vec<Piece>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({} bytes, {} pieces)", self.bytes.len(), self.pieces.len())
    }
}

struct Piece {
    text: String,
    /// Where it begins in its virtual text.
    at: u64,
    /// Where it stands in the line.
    start: usize,
    end: usize,
    edits: Vec<Edit>,
}

struct Edit {
    start: usize,
    end: usize,
    label: String,
}

/// How far positions behind the edits are from the raw ones.
#[derive(Debug, Default)]
struct Shifts {
    /// Bytes given to the ordinary stream.
    given: u64,
    /// From this position there, so much is to be added to be at the raw one.
    steps: VecDeque<(u64, i64)>,
}

impl EventRedactor {
    /// A new stream.
    #[must_use]
    pub fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            lines: Redactor::new(engine),
            texts: BTreeMap::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            partial: Vec::new(),
            taken: 0,
            output: Vec::new(),
            findings: Vec::new(),
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
        self.end_texts();
        self.release();
        self.output.extend_from_slice(self.lines.finish());
        self.note();
        &self.output
    }

    /// Takes the findings since they were last taken. A value that came in pieces is told once for each piece.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.findings);
        findings.sort_by_key(|finding| (finding.start, finding.end));
        findings
    }

    /// A line is whole: its pieces go into their virtual texts.
    fn line(&mut self) {
        let bytes = std::mem::take(&mut self.partial);
        let raw = self.taken;
        self.taken += bytes.len() as u64;
        let mut line = Line {
            pieces: Vec::new(),
            raw,
            bytes,
        };
        if line.bytes.starts_with(b"data:") && line.bytes.len() < LINE_MAX {
            self.take_apart(&mut line);
        }
        self.waiting_bytes += line.bytes.len();
        self.waiting.push_back(line);
        self.look();
        self.release();
        if self.waiting_bytes > WAITING_MAX {
            self.end_texts();
            self.release();
        }
    }

    fn take_apart(&mut self, line: &mut Line) {
        let found = leaves(&line.bytes, b"data:".len());
        for leaf in found.strings {
            let name = leaf.path.rsplit('.').find(|name| *name != "*").unwrap_or_default();
            if !PIECES.contains(&name) || leaf.start == leaf.end {
                continue;
            }
            let key = format!("{}{}", leaf.path, found.stream);
            if self.texts.len() >= STREAMS_MAX && !self.texts.contains_key(&key) {
                self.end_texts();
            }
            let text = self.texts.entry(key.clone()).or_insert_with(|| Text {
                redactor: Redactor::detector(&self.engine),
                length: 0,
                settled: 0,
            });
            let piece = line.bytes.get(leaf.start..leaf.end).unwrap_or_default();
            text.redactor.push(piece);
            let at = text.length;
            text.length += piece.len() as u64;
            text.settled = text.length - text.redactor.held() as u64;
            line.pieces.push(Piece {
                text: key,
                at,
                start: leaf.start,
                end: leaf.end,
                edits: Vec::new(),
            });
        }
    }

    /// Puts what was found in the virtual texts onto the pieces that wait.
    fn look(&mut self) {
        for (key, text) in &mut self.texts {
            for finding in text.redactor.take_findings() {
                place(&mut self.waiting, &mut self.findings, key, &finding);
            }
        }
    }

    /// All virtual texts end here.
    fn end_texts(&mut self) {
        for text in self.texts.values_mut() {
            text.redactor.finish();
        }
        self.look();
        self.texts.clear();
    }

    /// Gives on the lines at the front of which every piece is settled.
    fn release(&mut self) {
        loop {
            let texts = &self.texts;
            let settled = |piece: &Piece| {
                let end = piece.at + (piece.end - piece.start) as u64;
                texts.get(&piece.text).is_none_or(|text| text.settled >= end)
            };
            if !self.waiting.front().is_some_and(|line| line.pieces.iter().all(settled)) {
                return;
            }
            let Some(line) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= line.bytes.len();
            let edited = self.shifts.edit(&line);
            self.output.extend_from_slice(self.lines.push(&edited));
            self.note();
        }
    }

    /// Takes over what the ordinary stream found, in raw positions.
    fn note(&mut self) {
        for finding in self.lines.take_findings() {
            self.findings.push(Finding {
                start: self.shifts.raw(finding.start),
                end: self.shifts.raw(finding.end),
                ..finding
            });
        }
    }
}

fn place(waiting: &mut VecDeque<Line>, findings: &mut Vec<Finding>, key: &str, finding: &Finding) {
    let mut first = true;
    for line in waiting {
        for piece in line.pieces.iter_mut().filter(|piece| piece.text == key) {
            let end = piece.at + (piece.end - piece.start) as u64;
            let (from, to) = (finding.start.max(piece.at), finding.end.min(end));
            if from >= to {
                continue;
            }
            let within = |position: u64| piece.start + usize::try_from(position - piece.at).unwrap_or(0);
            let (start, stop) = (within(from), within(to));
            findings.push(Finding {
                start: line.raw + start as u64,
                end: line.raw + stop as u64,
                ..*finding
            });
            if finding.example {
                continue;
            }
            let label = if first {
                format!("[REDACTED:{}]", finding.kind)
            } else {
                String::new()
            };
            first = false;
            piece.edits.push(Edit {
                start,
                end: stop,
                label,
            });
        }
    }
}

impl Shifts {
    /// The line with its edits done.
    fn edit(&mut self, line: &Line) -> Vec<u8> {
        let mut edits: Vec<&Edit> = line.pieces.iter().flat_map(|piece| &piece.edits).collect();
        edits.sort_by_key(|edit| edit.start);
        let mut output = Vec::with_capacity(line.bytes.len());
        let mut at = 0;
        for edit in edits {
            output.extend_from_slice(line.bytes.get(at..edit.start).unwrap_or_default());
            output.extend_from_slice(edit.label.as_bytes());
            at = edit.end;
            self.step(output.len(), line.raw + at as u64);
        }
        output.extend_from_slice(line.bytes.get(at..).unwrap_or_default());
        self.given += output.len() as u64;
        output
    }

    fn step(&mut self, within: usize, raw: u64) {
        let position = self.given + within as u64;
        let shift = i64::try_from(raw).unwrap_or(i64::MAX) - i64::try_from(position).unwrap_or(0);
        self.steps.push_back((position, shift));
        if self.steps.len() > 4096 {
            self.steps.pop_front();
        }
    }

    fn raw(&self, position: u64) -> u64 {
        let place = self.steps.partition_point(|step| step.0 <= position);
        let shift = place
            .checked_sub(1)
            .and_then(|at| self.steps.get(at))
            .map_or(0, |step| step.1);
        position.saturating_add_signed(shift)
    }
}
