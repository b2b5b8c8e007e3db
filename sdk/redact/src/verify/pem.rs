//! Private keys in PEM (RFC 7468), OpenSSH's and PGP's forms of it.

use crate::charset::Charset;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::Seed;
use crate::text::Text;

/// The longest key followed to its end, in bytes; what a longer one goes on with is hidden as it comes.
const KEY_MAX: usize = 16 * 1024;
const LABEL_MAX: usize = 48;
/// What stands between the lines of a key: its base64, headers of RFC 1421, and line ends.
static BODY: Charset = Charset::of("A-Za-z0-9+/=:,. ()\n\r\t-");

/// From the first hyphen of BEGIN to the last of END, or to where it stops being a key.
pub(crate) fn verify(text: &Text<'_>, hit: Hit) -> Verdict {
    // Behind BEGIN there is a space.
    let text = &if text.byte(hit.end) == Some(b'+') {
        text.as_form()
    } else {
        *text
    };
    let Some(label) = label(text, hit.end) else {
        return if text.last { Verdict::Clean } else { Verdict::More };
    };
    if !label.private {
        return Verdict::Clean;
    }
    let run = text.run(label.end, &BODY, KEY_MAX);
    let body = text.slice(label.end, run.end);
    if let Some(end) = memchr::memmem::find(body, b"-----END").or_else(|| memchr::memmem::find(body, b"---- END")) {
        return footer(text, hit.start, label.end + end);
    }
    if run.open {
        return Verdict::More;
    }
    if run.count < 16 {
        return Verdict::Clean;
    }
    Verdict::Hide(Found {
        rest: run.capped.then_some(&BODY),
        ..Found::new(hit.start, run.end, Confidence::Medium)
    })
}

struct Label {
    end: usize,
    private: bool,
}

/// What stands behind BEGIN up to the hyphens; `None` if the text ends in it.
fn label(text: &Text<'_>, from: usize) -> Option<Label> {
    let mut at = from;
    let mut name = Vec::new();
    for _ in 0..LABEL_MAX {
        let glyph = text.glyph(at)?;
        if glyph.byte == b'-' || !(glyph.byte.is_ascii_alphanumeric() || glyph.byte == b' ') {
            break;
        }
        name.push(glyph.byte);
        at += glyph.len;
    }
    let private = memchr::memmem::find(&name, b"PRIVATE KEY").is_some();
    let mut end = at;
    while private && end < at + 5 && text.glyph(end)?.byte == b'-' {
        end += 1;
    }
    Some(Label { end, private })
}

/// The END line is part of it.
fn footer(text: &Text<'_>, start: usize, from: usize) -> Verdict {
    static LINE: Charset = Charset::of("A-Z0-9 -");
    let run = text.run(from, &LINE, 2 * LABEL_MAX);
    if run.open {
        return Verdict::More;
    }
    let spaces = text
        .slice(from, run.end)
        .iter()
        .rev()
        .take_while(|byte| matches!(**byte, b' ' | b'+'))
        .count();
    Verdict::Hide(Found::new(start, run.end - spaces, Confidence::High))
}

pub(crate) fn sample(seed: &mut Seed) -> String {
    let kinds = [
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ];
    let kind = seed.pick(&kinds).copied().unwrap_or_default();
    let lines: Vec<String> = (0..6).map(|_| seed.text(&crate::charset::ALNUM, 64)).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----")
}
