//! JSON web tokens (RFC 7519), signed or encrypted.

use super::VALUE_MAX;
use super::token::untrailed;
use crate::charset::{Charset, DOTTED, WORD};
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::Seed;
use crate::text::Text;

/// Three or five parts, the first of which begins as the base64 of `{"` does.
pub(crate) fn verify(text: &Text<'_>, hit: Hit) -> Verdict {
    if !text.starts(hit.start) {
        return Verdict::Clean;
    }
    let head = text.run(hit.start, &WORD, VALUE_MAX);
    if head.open {
        return Verdict::More;
    }
    if head.count < 12 || text.glyph(head.end).is_none_or(|next| next.byte != b'.') {
        return Verdict::Clean;
    }
    let run = text.run(hit.start, &DOTTED, VALUE_MAX);
    if run.open {
        return Verdict::More;
    }
    let end = untrailed(text, hit.start, run.end);
    let value = text.slice(hit.start, end);
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'.').collect();
    match parts.as_slice() {
        [_, payload, ..] if payload.len() >= 8 => Verdict::Hide(Found {
            rest: run.capped.then_some(&DOTTED),
            ..Found::new(hit.start, end, Confidence::High)
        }),
        _ => Verdict::Clean,
    }
}

pub(crate) fn sample(seed: &mut Seed) -> String {
    static BODY: Charset = Charset::of("A-Za-z0-9_-");
    let mut part = |count| seed.text(&BODY, count);
    format!("eyJhbGciOi{}.eyJ{}.{}x", part(22), part(60), part(42))
}
