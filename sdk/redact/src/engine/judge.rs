//! What is done at a hit: verified as it is, decoded first, or read with its escapes undone.

use std::cell::Cell;

use super::state::Swallow;
use super::{Engine, State, Target};
use crate::charset::{BASE64_ANY, Charset};
use crate::detector::{Confidence, Detector, DetectorId, Found, Hit, Verdict};
use crate::examples;
use crate::filter::LITERAL_MAX;
use crate::finding::Reason;
use crate::image::Layer;
use crate::quiet::caught;
use crate::span::Span;
use crate::text::Text;
use crate::verify::verify;
use crate::view;

/// Views within views.
pub(super) const DEPTH_MAX: u8 = 3;
/// Characters that verifiers may look at for each byte of the stream, and at its start.
const WORK_PER_BYTE: u64 = 64;
const WORK_AT_START: u64 = 1 << 20;
/// What decoding a piece counts as.
const WORK_OF_VIEW: u64 = 2048;
/// Raw bytes that hold an encoded literal whole, line ends and escapes of slashes among them.
const IMAGE_REACH: usize = 4 * LITERAL_MAX;
/// The rest of a field: up to its quote or line's end.
static FIELD: Charset = Charset::except("\n\"");

/// What came of a look at a hit.
pub(super) enum Judged {
    Clean,
    More,
    Hide(DetectorId, Found, Layer),
    /// Spans of a view, already in raw positions.
    Many(Vec<Span>),
}

impl Engine {
    pub(super) fn judge(
        &self,
        text: &Text<'_>,
        base: u64,
        hit: Hit,
        target: Target,
        state: &mut State,
        depth: u8,
    ) -> Judged {
        let fixed = match target {
            Target::Plain(_) | Target::Form(_) => 8,
            _ => WORK_OF_VIEW,
        };
        let at = (base, hit);
        Self::guarded(at, state, fixed, |state, work| match target {
            Target::Plain(id) => self.plain(&text.counted(work), hit, id),
            Target::Form(id) => self.plain(&text.counted(work).as_form(), hit, id),
            Target::Image {
                detector,
                layer,
                lead,
                skip,
            } => self.image(text, work, hit, detector, layer, usize::from(lead), usize::from(skip)),
            Target::Packed => self.packed(text, base, hit, work, depth),
            Target::Escape => self.escape(text, base, hit, state, depth),
        })
    }

    /// A look at a hit that may cost no more than the length of the stream allows, and of which a panic hides the field.
    pub(super) fn guarded(
        (base, hit): (u64, Hit),
        state: &mut State,
        fixed: u64,
        look: impl FnOnce(&mut State, &Cell<u64>) -> Judged,
    ) -> Judged {
        let allowed = WORK_AT_START.saturating_add((base + hit.start as u64).saturating_mul(WORK_PER_BYTE));
        if state.work > allowed {
            return withheld(hit, Reason::WorkLimit);
        }
        let work = Cell::new(0);
        let judged = caught(|| look(state, &work));
        state.work = state.work.saturating_add(work.get() + fixed);
        judged.unwrap_or_else(|| withheld(hit, Reason::VerifierPanic))
    }

    fn plain(&self, text: &Text<'_>, hit: Hit, id: DetectorId) -> Judged {
        let Some(detector) = self.detector(id) else {
            return Judged::Clean;
        };
        match verify(detector, text, hit) {
            Verdict::Clean => Judged::Clean,
            Verdict::More => Judged::More,
            Verdict::Hide(found) => Judged::Hide(id, found, Layer::Plain),
        }
    }

    /// Decodes around an encoded literal and judges there.
    #[allow(clippy::too_many_arguments, reason = "the parts of one target")]
    fn image(
        &self,
        text: &Text<'_>,
        work: &Cell<u64>,
        hit: Hit,
        id: DetectorId,
        layer: Layer,
        lead: usize,
        skip: usize,
    ) -> Judged {
        let (Some(group), Some(detector)) = (hit.start.checked_sub(lead), self.detector(id)) else {
            return Judged::Clean;
        };
        // Most images stand there by chance: no more is decoded than it takes to see that.
        let near = view::decode(text, group, layer, group + skip + IMAGE_REACH);
        if !near.open && literal_at(detector, &near.bytes, skip).is_none() {
            return Judged::Clean;
        }
        let from = view::lead_in(text, group, layer);
        let view = view::decode(text, from, layer, usize::MAX);
        let start = view.at_raw(group) + skip;
        // Which literal it is, the longest, does not depend on where the text was cut.
        if view.open && view.bytes.len() < start + LITERAL_MAX {
            return Judged::More;
        }
        let Some(literal) = literal_at(detector, &view.bytes, start) else {
            return if view.open { Judged::More } else { Judged::Clean };
        };
        let decoded = Text::new(&view.bytes, !view.open).counted(work);
        let hit = Hit {
            start,
            end: start + literal.len(),
        };
        match verify(detector, &decoded, hit) {
            Verdict::Clean => Judged::Clean,
            Verdict::More => Judged::More,
            Verdict::Hide(found) => {
                let Some((start, end)) = view.raw(found.start, found.end) else {
                    return Judged::Clean;
                };
                // It goes on behind what was decoded.
                let cut = !view.closed && found.end >= view.bytes.len();
                let found = Found {
                    start,
                    end,
                    confidence: found.confidence,
                    rest: (cut || found.rest.is_some()).then_some(&BASE64_ANY),
                };
                Judged::Hide(id, found, layer)
            }
        }
    }

    /// Reads a field in which letters are escaped and looks at it as if they were not.
    fn escape(&self, text: &Text<'_>, base: u64, hit: Hit, state: &mut State, depth: u8) -> Judged {
        let position = base + hit.start as u64;
        if position < state.escaped_until || depth >= DEPTH_MAX {
            return Judged::Clean;
        }
        let from = view::lead_in(text, hit.start, Layer::Escaped);
        // Where letters are percent-encoded, spaces are pluses.
        let form = text.byte(hit.start) == Some(b'%');
        let text = &if form { text.as_form() } else { *text };
        let view = view::decode(text, from, Layer::Escaped, usize::MAX);
        if view.open {
            return Judged::More;
        }
        let end = view.raw(0, view.bytes.len()).map_or(hit.end, |(_, end)| end);
        state.escaped_until = base + end as u64;
        let mut inner = State::default();
        let decoded = Text::new(&view.bytes, true);
        self.scan(&decoded, 0, &mut inner, depth + 1);
        let spans = inner.spans.as_slice().iter().filter_map(|span| {
            let (start, end) = (usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?);
            let (start, end) = view.raw(start, end)?;
            Some(Span {
                start: base + start as u64,
                end: base + end as u64,
                layer: Layer::Escaped,
                ..*span
            })
        });
        Judged::Many(spans.collect())
    }

    pub(super) fn hide(
        &self,
        text: &Text<'_>,
        base: u64,
        state: &mut State,
        id: DetectorId,
        (found, layer): (Found, Layer),
    ) {
        let reason = Self::withheld_reason(&found);
        let example = layer == Layer::Plain
            && reason.is_none()
            && examples::is_documented(&crate::replace::glyphs(text, found.start, found.end));
        let span = Span {
            start: base + found.start as u64,
            end: base + found.end as u64,
            detector: id,
            confidence: found.confidence,
            priority: self.detector(id).map_or(0, Detector::priority),
            example,
            layer,
            reason,
            oversized: found.rest.is_some(),
        };
        let last = span.end.saturating_sub(1);
        state.spans.add(span);
        if let Some(rest) = found.rest
            && let Some(span) = state.spans.take_at(last)
        {
            state.swallow = Some(Swallow { span, rest });
        }
    }

    fn withheld_reason(found: &Found) -> Option<Reason> {
        let field = found.rest.is_some_and(|rest| std::ptr::eq(rest, &raw const FIELD));
        match (field, found.confidence) {
            (false, _) => None,
            (true, Confidence::Low) => Some(Reason::WorkLimit),
            (true, _) => Some(Reason::VerifierPanic),
        }
    }
}

/// The longest literal of the detector that stands at a position.
fn literal_at(detector: &Detector, bytes: &[u8], at: usize) -> Option<&'static str> {
    let there = bytes.get(at..).unwrap_or_default();
    let stands = |literal: &&&str| {
        let head = there.get(..literal.len()).unwrap_or_default();
        if detector.fold {
            head.eq_ignore_ascii_case(literal.as_bytes())
        } else {
            head == literal.as_bytes()
        }
    };
    let standing = detector.literals.iter().filter(stands);
    standing.max_by_key(|literal| literal.len()).copied()
}

/// The whole rest of the field.
fn withheld(hit: Hit, reason: Reason) -> Judged {
    let confidence = if reason == Reason::WorkLimit {
        Confidence::Low
    } else {
        Confidence::Medium
    };
    let found = Found {
        rest: Some(&FIELD),
        ..Found::new(hit.start, hit.end, confidence)
    };
    Judged::Hide(DetectorId(0), found, Layer::Plain)
}
