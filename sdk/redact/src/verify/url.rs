//! Passwords and tokens in the authority of a URL (RFC 3986, 3.2.1), databases' and brokers' connection URLs among them.

use super::gates::is_placeholder;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::{Seed, mixed};
use crate::text::Text;

/// The longest authority, in characters.
const AUTHORITY_MAX: usize = 1024;

/// The password between the first colon and the last `@`; without a colon, what looks like a token before the `@`.
pub(crate) fn verify(text: &Text<'_>, hit: Hit) -> Verdict {
    let mut at = hit.end;
    // As a part of a form all of it is escaped, and a plus ends it.
    let form = text.byte(hit.start) == Some(b'%');
    let (mut colon, mut sign, mut begin) = (None, None, hit.end);
    for _ in 0..AUTHORITY_MAX {
        let Some(glyph) = text.glyph(at) else {
            if text.last {
                break;
            }
            return Verdict::More;
        };
        match glyph.byte {
            b'/' if at == begin => begin += glyph.len,
            b'/' | b'?' | b'#' if form || glyph.len == 1 || text.byte(at) == Some(b'\\') => break,
            b'+' if form && glyph.len == 1 => break,
            b' ' | b'"' | b'\'' | b'<' | b'>' | b'\n' | b'`' | 0xff if form || text.byte(at) != Some(b'%') => break,
            b':' if colon.is_none() && (form || glyph.len == 1) => colon = Some(at + glyph.len),
            b'@' if form || text.byte(at) == Some(b'@') => sign = Some(at),
            b',' | b')' | b']' if sign.is_none() && colon.is_none() => break,
            _ => {}
        }
        at += glyph.len;
    }
    let Some(sign) = sign else { return Verdict::Clean };
    match colon.filter(|colon| *colon < sign) {
        Some(from) => password(text, from, sign),
        None => token(text, begin, sign),
    }
}

fn password(text: &Text<'_>, from: usize, to: usize) -> Verdict {
    let value = text.slice(from, to);
    if value.is_empty() || is_placeholder(value) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found::new(from, to, Confidence::High))
}

fn token(text: &Text<'_>, from: usize, to: usize) -> Verdict {
    let value = text.slice(from, to);
    if value.len() < 16 || is_placeholder(value) || !super::gates::is_random(value) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found::new(from, to, Confidence::Medium))
}

pub(crate) fn sample(seed: &mut Seed) -> String {
    let schemes = [
        "postgres",
        "mysql",
        "mongodb+srv",
        "redis",
        "amqp",
        "https",
        "ftp",
        "mssql",
        "clickhouse",
        "nats",
    ];
    let scheme = seed.pick(&schemes).copied().unwrap_or_default();
    format!("{scheme}://app:{}@db.internal:5432/main", mixed(seed, 16))
}
