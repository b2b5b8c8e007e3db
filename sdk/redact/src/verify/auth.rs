//! Credentials behind an authentication scheme (RFC 9110, 11.6.2), in cookies, and in `.netrc`.

use super::VALUE_MAX;
use super::gates::{is_placeholder, is_random, is_varied};
use super::token::untrailed;
use crate::charset::{BEARER, Charset};
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::{Seed, mixed};
use crate::text::Text;

/// `Bearer x`, `Basic x`, `Token x`: what follows the space.
pub(crate) fn scheme(text: &Text<'_>, hit: Hit) -> Verdict {
    credential(text, hit, 12)
}

/// The same for a scheme of which the credential is short.
fn credential(text: &Text<'_>, hit: Hit, min: usize) -> Verdict {
    if !text.starts(hit.start) {
        return Verdict::Clean;
    }
    let run = text.run(hit.end, &BEARER, VALUE_MAX);
    if run.open {
        return Verdict::More;
    }
    let end = untrailed(text, hit.end, run.end);
    let value = text.slice(hit.end, end);
    if run.count < min || is_placeholder(value) || !is_varied(value) || !(is_random(value) || looks_encoded(value)) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found {
        rest: run.capped.then_some(&BEARER),
        ..Found::new(hit.end, end, Confidence::High)
    })
}

/// Padded base64, as Basic credentials often are.
fn looks_encoded(value: &[u8]) -> bool {
    value.ends_with(b"=") && value.len().is_multiple_of(4)
}

/// The value of a cookie that carries a session.
pub(crate) fn cookie(text: &Text<'_>, hit: Hit) -> Verdict {
    static VALUE: Charset = Charset::of("!#-+.-:<-[]-~-");
    if !text.starts(hit.start) {
        return Verdict::Clean;
    }
    let run = text.run(hit.end, &VALUE, VALUE_MAX);
    if run.open {
        return Verdict::More;
    }
    let value = text.slice(hit.end, run.end);
    if value.len() < 16 || is_placeholder(value) || !is_random(value) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found {
        rest: run.capped.then_some(&VALUE),
        ..Found::new(hit.end, run.end, Confidence::Medium)
    })
}

/// The password behind the login of a `.netrc` line (ftp(1)); the table asks for `machine` before it.
pub(crate) fn netrc(text: &Text<'_>, hit: Hit) -> Verdict {
    // Without what quotes the file where it stands in a text.
    static VALUE: Charset = Charset::of("!#-&(-;=?-_a-~");
    let mut at = hit.end;
    // The login, `password`, and its value, with a space or a line's end between them.
    for part in 0..3 {
        let run = text.run(at, &VALUE, 256);
        if run.open {
            return Verdict::More;
        }
        let value = text.slice(at, run.end);
        match part {
            0 if value.is_empty() => return Verdict::Clean,
            1 if value != b"password" => return Verdict::Clean,
            2 if value.len() < 4 || is_placeholder(value) => return Verdict::Clean,
            2 => return Verdict::Hide(Found::new(at, run.end, Confidence::High)),
            _ => {}
        }
        let Some(space) = text.glyph(run.end) else {
            return if text.last { Verdict::Clean } else { Verdict::More };
        };
        at = run.end + space.len;
    }
    Verdict::Clean
}

pub(crate) fn sample_bearer(seed: &mut Seed) -> String {
    format!("Authorization: Bearer {}", mixed(seed, 40))
}

pub(crate) fn sample_basic(seed: &mut Seed) -> String {
    format!("Authorization: Basic {}=", mixed(seed, 27))
}

pub(crate) fn sample_token(seed: &mut Seed) -> String {
    format!("Authorization: Token {}", mixed(seed, 40))
}

pub(crate) fn sample_cookie(seed: &mut Seed) -> String {
    format!("Cookie: theme=dark; sessionid={}", mixed(seed, 32))
}

pub(crate) fn sample_netrc(seed: &mut Seed) -> String {
    format!("machine example.org login me password {}", mixed(seed, 14))
}
