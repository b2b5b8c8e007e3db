//! The passes for personal data: over every `@`, every run of digits, and what separates the parts of addresses.

use super::judge::Judged;
use super::{Engine, State, settled};
use crate::detector::{Confidence, Detector, DetectorId, Found, Hit, Shape, Verdict};
use crate::image::Layer;
use crate::person::number::{self, LEAD_MAX, Number, Run};
use crate::text::Text;
use crate::verify::{contains_fold, verify};

/// How far before a number the word may stand that says what it is, in bytes.
const WORD_REACH: usize = 28;

/// Which detectors each pass asks.
#[derive(Debug, Default)]
pub(super) struct Rows {
    signs: Vec<DetectorId>,
    numbers: Vec<DetectorId>,
    parts: Vec<DetectorId>,
}

impl Rows {
    pub(super) fn of(detectors: &[Detector]) -> Self {
        let mut rows = Self::default();
        for (id, detector) in (0..).map(DetectorId).zip(detectors) {
            match detector.shape {
                Shape::Number { .. } => rows.numbers.push(id),
                Shape::Part { .. } => rows.parts.push(id),
                _ if detector.at_sign => rows.signs.push(id),
                _ => {}
            }
        }
        rows
    }

    /// Before this nothing is found any more.
    pub(super) fn settled(&self, text: &Text<'_>, state: &State) -> usize {
        // At the end of the stream nothing waits for more.
        if text.last {
            return text.bytes.len();
        }
        let [signs, numbers, parts, _] = state.passes;
        let numbers = if self.numbers.is_empty() {
            text.bytes.len()
        } else {
            settled(text, numbers).min(numbers.saturating_sub(LEAD_MAX))
        };
        let at = |rows: &[DetectorId], at: usize| {
            if rows.is_empty() {
                text.bytes.len()
            } else {
                settled(text, at)
            }
        };
        numbers.min(at(&self.signs, signs)).min(at(&self.parts, parts))
    }
}

impl Engine {
    /// Every `@`.
    pub(super) fn signs(&self, text: &Text<'_>, base: u64, state: &mut State, way: (usize, usize)) -> (usize, bool) {
        self.pass(text, base, state, &self.personal.signs, way, |there| {
            memchr::memchr(b'@', there)
        })
    }

    /// Every dot, colon and hyphen.
    pub(super) fn parts(&self, text: &Text<'_>, base: u64, state: &mut State, way: (usize, usize)) -> (usize, bool) {
        self.pass(text, base, state, &self.personal.parts, way, |there| {
            memchr::memchr3(b'.', b':', b'-', there)
        })
    }

    /// One pass over single characters; how far it came, and whether that is all it could.
    fn pass(
        &self,
        text: &Text<'_>,
        base: u64,
        state: &mut State,
        rows: &[DetectorId],
        (from, until): (usize, usize),
        next: impl Fn(&[u8]) -> Option<usize>,
    ) -> (usize, bool) {
        let mut from = from;
        if rows.is_empty() {
            return (until, true);
        }
        while let Some(ahead) = next(text.slice(from, until)) {
            let start = from + ahead;
            let hit = Hit { start, end: start + 1 };
            from = start + 1;
            for id in rows {
                let judged = Self::guarded((base, hit), state, 8, |_, work| {
                    let Some(detector) = self.detector(*id) else {
                        return Judged::Clean;
                    };
                    match verify(detector, &text.counted(work), hit) {
                        Verdict::Clean => Judged::Clean,
                        Verdict::More => Judged::More,
                        Verdict::Hide(found) => Judged::Hide(*id, found, Layer::Plain),
                    }
                });
                match judged {
                    Judged::More => return (start, false),
                    Judged::Hide(id, found, layer) => {
                        self.hide(text, base, state, id, (found, layer));
                        from = from.max(found.end);
                    }
                    Judged::Clean | Judged::Many(_) => {}
                }
            }
        }
        (from.max(until), true)
    }

    /// Every run of digits.
    pub(super) fn numbers(
        &self,
        text: &Text<'_>,
        base: u64,
        state: &mut State,
        (from, until): (usize, usize),
    ) -> (usize, bool) {
        if self.personal.numbers.is_empty() {
            return (until, true);
        }
        let mut from = from;
        loop {
            let hit = match number::next_run(text, from, until) {
                Run::At(hit) => hit,
                Run::Open(start) => return (start, false),
                Run::None(at) => return (at, true),
            };
            from = hit.end;
            if is_part_of_a_word(text, hit) || is_decimal(text, hit) {
                continue;
            }
            let judged = Self::guarded((base, hit), state, 16, |_, _| self.recognise(text, hit));
            match judged {
                Judged::More => return (hit.start, false),
                Judged::Hide(id, found, layer) => {
                    self.hide(text, base, state, id, (found, layer));
                    from = from.max(found.end);
                }
                Judged::Clean | Judged::Many(_) => {}
            }
        }
    }

    /// What a run of digits begins, by the first row that knows it.
    fn recognise(&self, text: &Text<'_>, hit: Hit) -> Judged {
        let Some(number) = Number::read(text, hit) else {
            return Judged::More;
        };
        for id in &self.personal.numbers {
            let Some(detector) = self.detector(*id) else { continue };
            let Shape::Number { recognise, .. } = detector.shape else {
                continue;
            };
            let Some(found) = recognise(&number) else { continue };
            if found.sure || is_named(text, found.start, detector.context) {
                let confidence = if found.sure {
                    Confidence::Medium
                } else {
                    Confidence::Low
                };
                return Judged::Hide(*id, Found::new(found.start, found.end, confidence), Layer::Plain);
            }
        }
        Judged::Clean
    }
}

/// Whether one of the words stands shortly before, in the same line.
fn is_named(text: &Text<'_>, at: usize, words: &[&str]) -> bool {
    let before = text.slice(at.saturating_sub(WORD_REACH), at);
    let ends = [b"\n".as_slice(), b"\\n", b"%0A"];
    let line = ends.iter().filter_map(|end| memchr::memmem::rfind(before, end)).max();
    let line = before.get(line.unwrap_or(0)..).unwrap_or_default();
    words.iter().any(|word| contains_fold(line, word.as_bytes()))
}

/// Digits among small letters, as in hashes and UUIDs; the letter of an escape (`\\n`) is none.
fn is_part_of_a_word(text: &Text<'_>, hit: Hit) -> bool {
    let head = text.slice(hit.start.saturating_sub(2), hit.start);
    let before = matches!(head, [escape, letter] if letter.is_ascii_lowercase() && *escape != b'\\');
    before
        || text
            .byte(hit.end)
            .is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The digits behind a decimal point, of which there are many in embeddings, and which are nobody's number.
fn is_decimal(text: &Text<'_>, hit: Hit) -> bool {
    let head = text.slice(hit.start.saturating_sub(2), hit.start);
    matches!(head, [digit, b'.'] if digit.is_ascii_digit())
}
