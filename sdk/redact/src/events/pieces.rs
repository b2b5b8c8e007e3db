//! Texts that come in pieces, one or more in each line or message, and what is found in them put back where the pieces stand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::engine::Engine;
use crate::finding::Finding;
use crate::leaves::leaves;
use crate::redactor::Redactor;

/// A longer line is not taken apart.
pub(super) const LINE_MAX: usize = 256 * 1024;
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

/// The texts, and the lines that wait for them. Its `Debug` shows no names, for they come in the stream too.
pub(super) struct Pieces {
    engine: Arc<Engine>,
    texts: BTreeMap<String, Text>,
    waiting: VecDeque<Line>,
    waiting_bytes: usize,
    /// Raw bytes up to the end of the last line.
    taken: u64,
    pub(super) findings: Vec<Finding>,
}

/// One virtual text.
struct Text {
    redactor: Redactor,
    /// Bytes of it so far.
    length: u64,
    /// Up to where it is settled.
    settled: u64,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (texts, waiting) = (self.texts.len(), self.waiting_bytes);
        write!(f, "{texts} texts of {} bytes, {waiting} of them wait", self.taken)
    }
}

/// A line that waits.
pub(super) struct Line {
    bytes: Vec<u8>,
    pub(super) raw: u64,
    pieces: Vec<Piece>,
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
    label: Vec<u8>,
}

/// How far positions behind the edits are from the raw ones.
#[derive(Debug, Default)]
pub(super) struct Shifts {
    /// Bytes given on.
    given: u64,
    /// From this position there, so much is to be added to be at the raw one.
    steps: VecDeque<(u64, i64)>,
}

impl Pieces {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            texts: BTreeMap::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            taken: 0,
            findings: Vec::new(),
        }
    }

    /// A line is whole: its pieces go into their texts. `json` is where its document begins, if it has one.
    pub(super) fn take(&mut self, bytes: Vec<u8>, json: Option<usize>) {
        let raw = self.taken;
        self.taken += bytes.len() as u64;
        let mut line = Line {
            pieces: Vec::new(),
            raw,
            bytes,
        };
        if let Some(from) = json.filter(|_| line.bytes.len() < LINE_MAX) {
            self.take_apart(&mut line, from);
        }
        self.waiting_bytes += line.bytes.len();
        self.waiting.push_back(line);
        self.look();
        if self.waiting_bytes > WAITING_MAX {
            self.end();
        }
    }

    fn take_apart(&mut self, line: &mut Line, from: usize) {
        let found = leaves(&line.bytes, from);
        for leaf in found.strings {
            let name = leaf.path.rsplit('.').find(|name| *name != "*").unwrap_or_default();
            if !PIECES.contains(&name) || leaf.start == leaf.end {
                continue;
            }
            let key = format!("{}{}", leaf.path, found.stream);
            if self.texts.len() >= STREAMS_MAX && !self.texts.contains_key(&key) {
                self.end();
            }
            let text = self.texts.entry(key.clone()).or_insert_with(|| Text {
                redactor: Redactor::replacing(&self.engine),
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
            for (finding, written) in text.redactor.take_replaced() {
                place(&mut self.waiting, &mut self.findings, key, (&finding, &written));
            }
        }
    }

    /// All virtual texts end here.
    pub(super) fn end(&mut self) {
        for text in self.texts.values_mut() {
            text.redactor.finish();
        }
        self.look();
        self.texts.clear();
    }

    /// The next line in order of which every piece is settled.
    pub(super) fn next_settled(&mut self) -> Option<Line> {
        let texts = &self.texts;
        let settled = |piece: &Piece| {
            let end = piece.at + (piece.end - piece.start) as u64;
            texts.get(&piece.text).is_none_or(|text| text.settled >= end)
        };
        let front = self.waiting.front()?;
        if !front.pieces.iter().all(settled) {
            return None;
        }
        let line = self.waiting.pop_front()?;
        self.waiting_bytes -= line.bytes.len();
        Some(line)
    }
}

/// What is as long as what it stands for goes into each piece; else it stands in the first, and the others lose their part.
fn place(waiting: &mut VecDeque<Line>, findings: &mut Vec<Finding>, key: &str, (finding, written): (&Finding, &[u8])) {
    let mut first = true;
    let fits = written.len() as u64 == finding.end - finding.start;
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
            let within = |position: u64| usize::try_from(position - finding.start).unwrap_or(usize::MAX);
            let label = match first {
                _ if fits => written.get(within(from)..within(to)).unwrap_or_default().to_vec(),
                true => written.to_vec(),
                false => Vec::new(),
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
    pub(super) fn edit(&mut self, line: &Line) -> Vec<u8> {
        let mut edits: Vec<&Edit> = line.pieces.iter().flat_map(|piece| &piece.edits).collect();
        edits.sort_by_key(|edit| edit.start);
        let mut output = Vec::with_capacity(line.bytes.len());
        let mut at = 0;
        for edit in edits {
            output.extend_from_slice(line.bytes.get(at..edit.start).unwrap_or_default());
            output.extend_from_slice(&edit.label);
            at = edit.end;
            self.step(output.len(), line.raw + at as u64);
        }
        output.extend_from_slice(line.bytes.get(at..).unwrap_or_default());
        self.given += output.len() as u64;
        output
    }

    pub(super) fn step(&mut self, within: usize, raw: u64) {
        let position = self.given + within as u64;
        let shift = i64::try_from(raw).unwrap_or(i64::MAX) - i64::try_from(position).unwrap_or(0);
        self.steps.push_back((position, shift));
        if self.steps.len() > 4096 {
            self.steps.pop_front();
        }
    }

    /// The finding in raw positions.
    pub(super) fn moved(&self, finding: Finding) -> Finding {
        Finding {
            start: self.raw(finding.start),
            end: self.raw(finding.end),
            ..finding
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
