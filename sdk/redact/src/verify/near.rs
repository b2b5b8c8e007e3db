//! Values without a form of their own, known by the provider's name in the name they are assigned to.

use super::gates::is_varied;
use super::{VALUE_MAX, contains_fold};
use crate::charset::Charset;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::text::Text;

/// How far behind the name the value may begin, in characters.
const REACH: usize = 56;
/// Between a name and what is assigned to it there are no sentences.
const SPACES_MAX: usize = 3;
const CREDENTIAL_WORDS: [&[u8]; 7] = [b"key", b"token", b"secret", b"auth", b"pass", b"cred", b"pat"];

/// One of these is among the raw bytes of whatever assigns.
static OPERATORS: Charset = Charset::of("=:\"'>(\\%&");

pub(crate) fn verify(text: &Text<'_>, hit: Hit, body: &'static Charset, min: usize, max: usize) -> Verdict {
    let behind = text.slice(hit.end, hit.end + REACH);
    if behind.len() == REACH && !behind.iter().any(|byte| OPERATORS.has(*byte)) {
        return Verdict::Clean;
    }
    let mut at = hit.end;
    let mut assigned = assigns(text, hit);
    let mut spaces = 0;
    for _ in 0..REACH {
        let Some(glyph) = text.glyph(at) else {
            return if text.last { Verdict::Clean } else { Verdict::More };
        };
        if glyph.byte == b'\n' {
            return Verdict::Clean;
        }
        if assigned && body.has(glyph.byte) {
            let run = text.run(at, body, VALUE_MAX);
            if run.open {
                return Verdict::More;
            }
            if let Some(found) = value(text, hit, at, run.end, run.count, min..=max) {
                return Verdict::Hide(found);
            }
            at = run.end.max(at + 1);
            continue;
        }
        spaces += usize::from(glyph.byte == b' ');
        if spaces > SPACES_MAX {
            return Verdict::Clean;
        }
        assigned |= matches!(glyph.byte, b'=' | b':' | b'"' | b'\'' | b'>' | b'(');
        at += glyph.len;
    }
    Verdict::Clean
}

/// Whether the literal is a name with its operator, and so says all.
fn assigns(text: &Text<'_>, hit: Hit) -> bool {
    text.slice(hit.start, hit.end).ends_with(b"=")
}

fn value(
    text: &Text<'_>,
    hit: Hit,
    from: usize,
    end: usize,
    count: usize,
    wanted: std::ops::RangeInclusive<usize>,
) -> Option<Found> {
    let bytes = text.slice(from, end);
    let between = text.slice(hit.start.saturating_sub(16), from);
    let named = assigns(text, hit) || CREDENTIAL_WORDS.iter().any(|word| contains_fold(between, word));
    let whole = text.glyph(end).is_none_or(|next| !next.byte.is_ascii_alphanumeric());
    let good = wanted.contains(&count)
        && named
        && whole
        && text.starts(from)
        && is_varied(bytes)
        && bytes.iter().any(u8::is_ascii_digit);
    good.then(|| Found::new(from, end, Confidence::Medium))
}
