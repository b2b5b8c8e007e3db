//! Whether what stands at a literal is what the literal promises, and where it begins and ends.
//!
//! All of these look at the text around one hit only, with bounds, and read through escapes ([`crate::text`]).

pub(crate) mod assigned;
pub(crate) mod auth;
pub(crate) mod bot;
pub(crate) mod call;
pub(crate) mod checksum;
pub(crate) mod command;
pub(crate) mod gates;
pub(crate) mod jwt;
pub(crate) mod key;
pub(crate) mod near;
pub(crate) mod pem;
pub(crate) mod token;
pub(crate) mod url;

use crate::detector::{Detector, Found, Hit, Shape, Verdict};
use crate::replace::PSEUDONYM_DIGITS;
use crate::text::Text;

/// The longest value that is followed to its end before it is hidden; the rest of a longer one is hidden as it comes.
pub(crate) const VALUE_MAX: usize = 4096;
/// How far back context words are looked for, in bytes.
pub(crate) const CONTEXT_REACH: usize = 160;

pub(crate) fn verify(detector: &Detector, text: &Text<'_>, hit: Hit) -> Verdict {
    let verdict = match detector.shape {
        Shape::Token {
            body,
            min,
            checksum,
            lead,
        } => token::verify(text, hit, body, min, (checksum, lead)),
        Shape::Near { body, min, max } => near::verify(text, hit, body, min, max),
        Shape::Assigned(kind) => assigned::verify(text, hit, kind),
        Shape::Special { verify, .. } | Shape::Part { verify, .. } => verify(text, hit),
        // These have no literals and are looked at elsewhere.
        Shape::Number { .. } => Verdict::Clean,
    };
    // Last, since most hits are clean by their shape.
    if matches!(verdict, Verdict::Hide(found) if is_pseudonym(text, found)) {
        return Verdict::Clean;
    }
    let out_of_context = !matches!(verdict, Verdict::Clean)
        && !detector.context.is_empty()
        && !has_context(text, hit.start, detector.context);
    if out_of_context { Verdict::Clean } else { verdict }
}

/// What stands there in place of a value already: `[token:5f0c9a2e71d3]`.
fn is_pseudonym(text: &Text<'_>, found: Found) -> bool {
    let value = text.slice(found.start, found.end);
    let head = text.slice(found.start.saturating_sub(CONTEXT_REACH), found.start);
    let named = |name: &[u8]| {
        let kind = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        name.iter().rev().find(|byte| !kind(byte)) == Some(&b'[')
    };
    value.len() == PSEUDONYM_DIGITS
        && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.byte(found.end) == Some(b']')
        && head.strip_suffix(b":").is_some_and(named)
}

fn has_context(text: &Text<'_>, at: usize, words: &[&str]) -> bool {
    let before = text.slice(at.saturating_sub(CONTEXT_REACH), at);
    words.iter().any(|word| contains_fold(before, word.as_bytes()))
}

/// Whether a word (in lower case) stands somewhere, in any case.
pub(crate) fn contains_fold(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|window| window.iter().zip(word).all(|(a, b)| a.to_ascii_lowercase() == *b))
}
