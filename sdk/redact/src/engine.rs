//! The compiled table, and the one way through a text.

mod build;
mod judge;
mod known;
mod options;
mod packed;
mod personal;
mod state;

pub use options::{EngineError, Options};
pub(crate) use state::State;

use build::Builder;
use judge::Judged;

use crate::detector::{Detector, DetectorId, Hit};
use crate::filter::{Filter, LITERAL_MAX, Marks, Next, STRIDE};
use crate::image::Layer;
use crate::known::Index;
use crate::replace::Style;
use crate::text::Text;

/// Nothing that begins more than this many bytes before what is being looked at can still turn out to be hidden.
const HOLD_MAX: usize = LITERAL_MAX + 72;

/// What the engine does where a literal stands.
#[derive(Clone, Copy, Debug)]
enum Target {
    Plain(DetectorId),
    /// As a form writes it.
    Form(DetectorId),
    Image {
        detector: DetectorId,
        layer: Layer,
        lead: u8,
        skip: u8,
    },
    /// The base64 of gzip's head: what it holds is unpacked and looked at.
    Packed,
    /// A letter is escaped: the field is read and looked at anew.
    Escape,
}

/// A compiled set of detectors. Costs about 3 MB and a fifth of a second once; shared by all streams.
pub struct Engine {
    detectors: Vec<Detector>,
    targets: Vec<Target>,
    filter: Filter,
    personal: personal::Rows,
    known: Index,
    known_row: Option<DetectorId>,
    pub(crate) style: Style,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Engine({} detectors, {} literals)",
            self.detectors.len(),
            self.targets.len()
        )
    }
}

impl Engine {
    /// Compiles.
    pub fn new(options: &Options) -> Result<Self, EngineError> {
        let (detectors, known_row) = known::with_rows(options.detectors.clone(), options.known.names());
        let mut builder = Builder::default();
        for (number, detector) in detectors.iter().enumerate() {
            let id = DetectorId(u16::try_from(number).map_err(|_| EngineError::TooMany)?);
            builder.detector(id, detector, options.encodings)?;
        }
        if options.encodings && !detectors.is_empty() {
            builder.escapes();
            builder.packed();
        }
        Ok(Self {
            personal: personal::Rows::of(&detectors),
            known: Index::new(&options.known),
            known_row,
            detectors,
            targets: builder.targets,
            filter: Filter::new(builder.literals),
            style: options.style.clone(),
        })
    }

    /// How many literals the pass looks for, images included.
    #[must_use]
    pub fn literal_count(&self) -> usize {
        self.targets.len()
    }

    pub(crate) fn detector(&self, id: DetectorId) -> Option<&Detector> {
        self.detectors.get(usize::from(id.0))
    }

    /// Looks at as much as can be judged; where everything before is settled. `base` is the stream position of the text's first byte.
    pub(crate) fn scan(&self, text: &Text<'_>, base: u64, state: &mut State, depth: u8) -> usize {
        let mut marks = Marks::from(state.probe);
        loop {
            if state.swallow.is_some() {
                if !Self::swallow_on(text, base, state) {
                    return text.bytes.len();
                }
                marks = Marks::from(state.probe);
            }
            match self.filter.next(text.bytes, &mut marks, text.last) {
                Next::End(at) => {
                    state.probe = at;
                    break;
                }
                Next::Probe(at) => {
                    state.probe = at;
                    if !self.visit(text, base, state, depth) {
                        break;
                    }
                    if state.swallow.is_none() {
                        state.probe = at + STRIDE;
                        marks.pass(state.probe);
                    }
                }
            }
        }
        self.passes(text, base, state, state.probe);
        let people = self.personal.settled(text, state);
        let known = if self.known_row.is_some() && !text.last {
            state.passes[3].saturating_sub(known::LEAD_MAX)
        } else {
            text.bytes.len()
        };
        settled(text, state.probe).min(people).min(known)
    }

    /// The other passes, over what begins before a position; whether all of it could be judged.
    fn passes(&self, text: &Text<'_>, base: u64, state: &mut State, until: usize) -> bool {
        let until = until.min(text.bytes.len());
        let floor = usize::try_from(state.floor.saturating_sub(base)).unwrap_or(0);
        let [signs, numbers, parts, known] = state.passes.map(|at| (at.max(floor), until));
        let reached = [
            self.signs(text, base, state, signs),
            self.numbers(text, base, state, numbers),
            self.parts(text, base, state, parts),
            self.known(text, base, state, known),
        ];
        state.passes = reached.map(|(at, _)| at);
        reached.iter().all(|(_, done)| *done)
    }

    /// Follows a hidden run; whether it ended.
    fn swallow_on(text: &Text<'_>, base: u64, state: &mut State) -> bool {
        let Some(mut swallow) = state.swallow.take() else {
            return true;
        };
        let from = usize::try_from(swallow.span.end.saturating_sub(base)).unwrap_or(0);
        let run = text.run(from, swallow.rest, usize::MAX);
        swallow.span.end = base + run.end as u64;
        // The next probe on the same grid that lies behind the run.
        state.probe += run.end.saturating_sub(state.probe).div_ceil(STRIDE) * STRIDE;
        if run.open {
            state.swallow = Some(swallow);
            return false;
        }
        state.floor = swallow.span.end;
        state.spans.add(swallow.span);
        true
    }

    /// Looks at every literal that may lie around the probe; whether all could be judged.
    fn visit(&self, text: &Text<'_>, base: u64, state: &mut State, depth: u8) -> bool {
        let before = state.work;
        for (literal, offset) in self.filter.at(text.bytes, state.probe) {
            let Some(start) = i64::try_from(state.probe)
                .ok()
                .and_then(|probe| usize::try_from(probe - i64::from(offset)).ok())
            else {
                continue;
            };
            match literal.stands(text.bytes, start) {
                Some(true) => {}
                None if !text.last => {
                    state.work = before;
                    return false;
                }
                _ => continue,
            }
            let position = base + start as u64;
            let Some(target) = self.targets.get(literal.owner as usize) else {
                continue;
            };
            if position < state.floor {
                continue;
            }
            let hit = Hit {
                start,
                end: start + literal.bytes.len(),
            };
            match self.judge(text, base, hit, *target, state, depth) {
                Judged::Clean => {}
                Judged::More => {
                    state.work = before;
                    return false;
                }
                Judged::Hide(id, found, layer) => {
                    // What stands before a run that is followed to its end is looked at before that run.
                    if found.rest.is_some() && !self.passes(text, base, state, state.probe) {
                        state.work = before;
                        return false;
                    }
                    self.hide(text, base, state, id, (found, layer));
                    if state.swallow.is_some() {
                        return true;
                    }
                }
                Judged::Many(spans) => spans.into_iter().for_each(|span| state.spans.add(span)),
            }
        }
        true
    }
}

/// What no later hit can reach: the start of the run of characters around the next probe, or a fixed way before it.
fn settled(text: &Text<'_>, probe: usize) -> usize {
    let probe = probe.min(text.bytes.len());
    if text.last && probe == text.bytes.len() {
        return probe;
    }
    let delimiter = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'');
    let head = text.slice(probe.saturating_sub(HOLD_MAX), probe);
    // Literals may end in one space.
    let skipped = usize::from(head.last().is_some_and(|byte| delimiter(*byte)));
    let run = head
        .iter()
        .rev()
        .skip(skipped)
        .take_while(|byte| !delimiter(**byte))
        .count();
    probe - (run + skipped)
}
