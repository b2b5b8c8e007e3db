//! The pass for values that are known.

use super::{Engine, State};
use crate::charset::BASE64_ANY;
use crate::detector::{Class, Confidence, Detector, DetectorId, Found, Hit, Risk, Verdict};
use crate::image::Layer;
use crate::known::{Entry, WINDOW};
use crate::text::Text;

/// How far before a window its value may begin: the window's offset, a line's end, and the rest of a group.
pub(super) const LEAD_MAX: usize = 24;

/// Bytes of line ends within what is wrapped, where it is looked at backwards: `\\r\\n`, escaped.
const LINE_ENDS: usize = 4;

/// What is said of a known value, but for its name. It has no literals: where it stands is asked elsewhere.
pub(super) static ROW: Detector = Detector::special(
    "known-secret",
    Class::Secret,
    &[],
    |_: &Text<'_>, _: Hit| Verdict::Clean,
    |_| String::new(),
    "https://en.wikipedia.org/wiki/Rabin%E2%80%93Karp_algorithm",
)
.risk_is(Risk::Critical);

impl Engine {
    /// Looks for known values that begin before a position; how far it came, and whether that is all it could.
    pub(super) fn known(
        &self,
        text: &Text<'_>,
        base: u64,
        state: &mut State,
        (from, until): (usize, usize),
    ) -> (usize, bool) {
        let Some(id) = self.known_row else {
            return (until, true);
        };
        let mut from = from;
        let wanted = until;
        // A window that is not all here yet waits.
        let until = if text.last {
            until
        } else {
            until.min((text.bytes.len() + 1).saturating_sub(WINDOW))
        };
        while let Some((at, fingerprint)) = self.known.next(text.bytes, from, until) {
            for entry in self.known.entries(fingerprint) {
                match self.stands(text, at, entry) {
                    Verdict::Clean => {}
                    Verdict::More => return (at, false),
                    Verdict::Hide(found) => {
                        let row = DetectorId(id.0.saturating_add(entry.name));
                        self.hide(text, base, state, row, (found, entry.layer));
                    }
                }
            }
            from = at + 1;
        }
        (until.max(from), until == wanted)
    }

    /// Whether a form stands around its window, across line ends if it may be wrapped.
    fn stands(&self, text: &Text<'_>, window: usize, entry: &Entry) -> Verdict {
        let wrapped = matches!(entry.layer, Layer::Base64 | Layer::Hex);
        let Some(start) = back(text, window, entry.offset, wrapped) else {
            return Verdict::Clean;
        };
        let mut bytes = Vec::with_capacity(entry.length);
        let mut at = start;
        while bytes.len() < entry.length {
            if at - start > 2 * entry.length + LINE_ENDS {
                return Verdict::Clean;
            }
            let Some(byte) = text.byte(at) else {
                return if text.last { Verdict::Clean } else { Verdict::More };
            };
            at += 1;
            match byte {
                b'\n' | b'\r' if wrapped => {}
                b'\\' if wrapped && matches!(text.byte(at), Some(b'n' | b'r')) => at += 1,
                _ => bytes.push(byte),
            }
        }
        if !self.known.is(entry, &bytes) {
            return Verdict::Clean;
        }
        if entry.layer != Layer::Base64 {
            return Verdict::Hide(Found::new(start, at, Confidence::High));
        }
        // The groups that hold its first and last bits.
        let start = back(text, start, entry.lead, true).unwrap_or(start);
        let missing = (4 - (entry.lead + entry.length) % 4) % 4;
        let rest = text.slice(at, (at + missing).min(text.bytes.len()));
        if rest.len() < missing && !text.last {
            return Verdict::More;
        }
        let end = at + rest.iter().take_while(|byte| BASE64_ANY.has(**byte)).count();
        Verdict::Hide(Found::new(start, end, Confidence::High))
    }
}

/// So many characters back, a line's end not counted.
fn back(text: &Text<'_>, from: usize, count: usize, wrapped: bool) -> Option<usize> {
    let mut at = from;
    let floor = from.saturating_sub(count + LINE_ENDS);
    for _ in 0..count {
        at = at.checked_sub(1)?;
        while wrapped && matches!(text.byte(at), Some(b'\n' | b'\r')) {
            at = at.checked_sub(1)?;
        }
        let escaped = wrapped
            && matches!(text.byte(at), Some(b'n'))
            && at.checked_sub(1).and_then(|before| text.byte(before)) == Some(b'\\');
        if escaped {
            at = at.checked_sub(2)?;
        }
    }
    // Blank lines are no wrapping.
    (at >= floor).then_some(at)
}

/// The rows, and those for known values behind them, one a name; the number of the first.
pub(super) fn with_rows(mut rows: Vec<Detector>, names: &[&'static str]) -> (Vec<Detector>, Option<DetectorId>) {
    if names.is_empty() {
        return (rows, None);
    }
    let id = u16::try_from(rows.len()).ok().map(DetectorId);
    rows.extend(names.iter().map(|name| Detector { name, ..ROW }));
    (rows, id)
}
