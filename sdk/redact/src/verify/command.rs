//! Passwords behind a directive or an option that only ever takes one, behind a login, and in a sentence.

use super::assigned::is_password;
use super::gates::{is_placeholder, is_random};
use crate::charset::Charset;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::{Seed, mixed};
use crate::text::Text;

/// The longest value, in characters.
const VALUE_MAX: usize = 256;
/// Without the backslash, so that a line's end that is escaped ends it.
static VALUE: Charset = Charset::except("\n\r\t \"'`,;|<>(){}\\");
static USER: Charset = Charset::of("A-Za-z0-9@._-");

/// `requirepass x`: a word, perhaps in quotes.
pub(crate) fn directive(text: &Text<'_>, hit: Hit) -> Verdict {
    if !text.starts(hit.start) {
        return Verdict::Clean;
    }
    let Some(from) = unquoted(text, hit.end) else {
        return ended(text);
    };
    word(text, from, |value| value.len() >= 6 && is_password(value))
}

/// `curl -u me:x`: the word behind the colon.
pub(crate) fn login(text: &Text<'_>, hit: Hit) -> Verdict {
    if text.before(hit.start).is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return Verdict::Clean;
    }
    let Some(from) = unquoted(text, hit.end) else {
        return ended(text);
    };
    let user = text.run(from, &USER, VALUE_MAX);
    let Some(colon) = text.glyph(user.end) else {
        return ended(text);
    };
    if user.count == 0 || colon.byte != b':' {
        return Verdict::Clean;
    }
    let password = |value: &[u8]| value.len() >= 4 && is_password(value) && !value.iter().all(u8::is_ascii_digit);
    word(text, user.end + colon.len, password)
}

/// `the password is x`: only what no word of a sentence is.
pub(crate) fn said(text: &Text<'_>, hit: Hit) -> Verdict {
    let Some(from) = unquoted(text, hit.end) else {
        return ended(text);
    };
    word(text, from, |value| {
        is_random(value) && value.iter().any(u8::is_ascii_digit)
    })
}

/// Behind a quote if there is one; `None` at the end of what is here.
pub(super) fn unquoted(text: &Text<'_>, at: usize) -> Option<usize> {
    let first = text.glyph(at)?;
    let quote = matches!(first.byte, b'"' | b'\'' | b'`');
    Some(if quote { at + first.len } else { at })
}

pub(super) fn ended(text: &Text<'_>) -> Verdict {
    if text.last { Verdict::Clean } else { Verdict::More }
}

pub(super) fn word(text: &Text<'_>, from: usize, good: impl Fn(&[u8]) -> bool) -> Verdict {
    let run = text.run(from, &VALUE, VALUE_MAX);
    if run.open {
        return Verdict::More;
    }
    // The end of a sentence is no part of it.
    let end = super::token::untrailed(text, from, run.end);
    let value = text.slice(from, end);
    if !good(value) || is_placeholder(value) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found {
        rest: run.capped.then_some(&VALUE),
        ..Found::new(from, end, Confidence::Low)
    })
}

pub(crate) fn sample_directive(seed: &mut Seed) -> String {
    format!("requirepass {}", mixed(seed, 20))
}

pub(crate) fn sample_login(seed: &mut Seed) -> String {
    format!("curl -u me:{}", mixed(seed, 16))
}

pub(crate) fn sample_said(seed: &mut Seed) -> String {
    format!("the password is {}.", mixed(seed, 16))
}
