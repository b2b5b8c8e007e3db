//! Passwords that their place alone tells: arguments of calls and commands, and a column of `.pgpass`.

use super::assigned::is_password;
use super::command::{ended, unquoted, word};
use super::gates::is_placeholder;
use crate::charset::Charset;
use crate::detector::{Confidence, Found, Hit, Verdict};
use crate::sample::{Seed, mixed};
use crate::text::Text;

/// How far behind its name a call or command is followed, in characters.
const REACH: usize = 320;
/// How far back the host of a line of `.pgpass` begins, in bytes.
const HOST_MAX: usize = 80;

/// The last of at least two arguments of a call, if it is a string: `login('me', 'x')`, `getConnection(url, "me", "x")`.
pub(crate) fn last_argument(text: &Text<'_>, hit: Hit) -> Verdict {
    let (mut at, mut commas) = (hit.end, 0);
    // The string that was read last, its quote and where it begins and ends; the quote that is open.
    let (mut last, mut open) = (None, None);
    for _ in 0..REACH {
        let Some(glyph) = text.glyph(at) else {
            return ended(text);
        };
        let next = at + glyph.len;
        match (open, glyph.byte) {
            (_, b'\n') if glyph.len == 1 && open.is_some() => return Verdict::Clean,
            (Some((quote, from)), byte) if byte == quote => {
                last = Some((from, at));
                open = None;
            }
            (None, byte @ (b'"' | b'\'')) => open = Some((byte, next)),
            (None, b',') => (commas, last) = (commas + 1, None),
            (None, b')') => {
                let Some((from, to)) = last.filter(|_| commas > 0) else {
                    return Verdict::Clean;
                };
                return chosen(text, from, to);
            }
            (None, b'(' | b'{' | b';') => return Verdict::Clean,
            _ => {}
        }
        at = next;
    }
    Verdict::Clean
}

fn chosen(text: &Text<'_>, from: usize, to: usize) -> Verdict {
    let value = text.slice(from, to);
    if value.len() < 6 || value.contains(&b' ') || !is_password(value) || is_placeholder(value) {
        return Verdict::Clean;
    }
    Verdict::Hide(Found::new(from, to, Confidence::Low))
}

/// What takes the password of a command: a letter, and whether the password is in the same word.
fn option_of(command: &[u8]) -> (u8, bool) {
    match command.first() {
        Some(b'm') if !command.starts_with(b"mongo") => (b'p', true),
        Some(b'r') => (b'a', false),
        Some(b's') => (b'P', false),
        Some(b'l') => (b'w', false),
        _ => (b'p', false),
    }
}

/// `mysql -u root -px`, `docker login -u me -p x`.
pub(crate) fn option(text: &Text<'_>, hit: Hit) -> Verdict {
    if !text.starts(hit.start) {
        return Verdict::Clean;
    }
    let (letter, attached) = option_of(text.slice(hit.start, hit.end));
    let mut at = hit.end;
    let mut seen = [b' ', b' ', b' '];
    for _ in 0..REACH {
        let Some(glyph) = text.glyph(at) else {
            return ended(text);
        };
        let [_, a, b] = seen;
        seen = [a, b, glyph.byte];
        at += glyph.len;
        match seen {
            [_, _, b'\n' | b'|' | b';' | b'&'] => return Verdict::Clean,
            [b' ', b'-', last] if last == letter => break,
            _ => {}
        }
    }
    if seen != [b' ', b'-', letter] {
        return Verdict::Clean;
    }
    let Some(next) = text.glyph(at) else { return ended(text) };
    if attached == (next.byte == b' ') {
        return Verdict::Clean;
    }
    let Some(from) = unquoted(text, if attached { at } else { at + next.len }) else {
        return ended(text);
    };
    word(text, from, |value| value.len() >= 6 && is_password(value))
}

/// `host:5432:database:user:x`, the whole of a line.
pub(crate) fn pgpass(text: &Text<'_>, hit: Hit) -> Verdict {
    static HOST: Charset = Charset::of("A-Za-z0-9._*-");
    static FIELD: Charset = Charset::of("A-Za-z0-9._*@$-");
    let head = text.slice(hit.start.saturating_sub(HOST_MAX), hit.start);
    if !head.last().is_some_and(|byte| HOST.has(*byte)) {
        return Verdict::Clean;
    }
    let mut at = hit.end;
    for _ in 0..2 {
        let field = text.run(at, &FIELD, REACH);
        let Some(colon) = text.glyph(field.end) else {
            return ended(text);
        };
        if field.count == 0 || colon.byte != b':' {
            return Verdict::Clean;
        }
        at = field.end + colon.len;
    }
    word(text, at, |value| value.len() >= 6 && is_password(value))
}

pub(crate) fn sample_call(seed: &mut Seed) -> String {
    format!("NetworkCredential(\"me\", \"{}\")", mixed(seed, 16))
}

pub(crate) fn sample_option(seed: &mut Seed) -> String {
    format!("docker login -u me -p {} registry.test", mixed(seed, 16))
}

pub(crate) fn sample_pgpass(seed: &mut Seed) -> String {
    format!("db.test:5432:shop:me:{}", mixed(seed, 16))
}
