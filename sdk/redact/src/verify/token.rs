//! Tokens that begin with what their issuer chose for finding them.

use super::VALUE_MAX;
use super::checksum::base62_crc32_holds;
use super::gates::is_varied;
use crate::charset::{Charset, DOTTED};
use crate::detector::{Checksum, Confidence, Found, Hit, Verdict};
use crate::text::Text;

pub(crate) fn verify(
    text: &Text<'_>,
    hit: Hit,
    body: &'static Charset,
    min: usize,
    (checksum, lead): (Checksum, usize),
) -> Verdict {
    let literal = text.slice(hit.start, hit.end);
    let start = hit.start - led(text, hit.start, body, lead);
    if !is_telling(literal) && (start + lead != hit.start || !text.starts(start)) {
        return Verdict::Clean;
    }
    let run = text.run(hit.end, body, VALUE_MAX);
    if run.open {
        return Verdict::More;
    }
    let value = text.slice(hit.end, untrailed(text, hit.end, run.end));
    let body_of = if min == 0 { text.slice(start, hit.start) } else { value };
    if run.count < min || !is_varied(body_of) {
        return Verdict::Clean;
    }
    // What goes on is a later form of it, or the next token without anything between them, of which the beginning is gone.
    let more = text.run(run.end, &DOTTED, VALUE_MAX);
    if more.open {
        return Verdict::More;
    }
    let confidence = match checksum {
        Checksum::None => Confidence::High,
        Checksum::Base62Crc32 if base62_crc32_holds(value) => Confidence::High,
        Checksum::Base62Crc32 => Confidence::Medium,
    };
    Verdict::Hide(Found {
        rest: match (run.capped, more.capped) {
            (true, _) => Some(body),
            (_, true) => Some(&DOTTED),
            _ => None,
        },
        ..Found::new(start, untrailed(text, hit.end, more.end), confidence)
    })
}

/// How many characters of the token stand before its literal: all it has there, or none.
fn led(text: &Text<'_>, literal: usize, body: &Charset, lead: usize) -> usize {
    let head = text.slice(literal.saturating_sub(lead), literal);
    if head.len() == lead && head.iter().all(|byte| body.has(*byte)) {
        lead
    } else {
        0
    }
}

/// Long enough and with a separator, so that it does not come up by chance within a longer run.
fn is_telling(literal: &[u8]) -> bool {
    literal.len() >= 6 && literal.iter().any(|byte| !byte.is_ascii_alphanumeric())
}

/// Without the dots that end a sentence.
pub(crate) fn untrailed(text: &Text<'_>, from: usize, end: usize) -> usize {
    let dots = text
        .slice(from, end)
        .iter()
        .rev()
        .take_while(|byte| **byte == b'.')
        .count();
    end - dots
}
