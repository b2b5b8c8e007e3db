//! Reading text that is escaped nobody knows how often.
//!
//! A token in agent traffic stands in a JSON string in a JSON string in an SSE event, a URL or a page. The reader here looks
//! at the raw bytes and sees characters: `\/`, `\\\/`, `\u002f`, `\x2f`, `%2F` and `&#x2f;` are all a slash, `\n` at any depth is a
//! line's end. So boundaries are right at any depth of escaping, and every position is a position in the raw bytes.

use std::cell::Cell;

use crate::charset::Charset;

/// A character as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glyph {
    /// What it means. Control characters are all `\n`; what is not ASCII is 0xff.
    pub(crate) byte: u8,
    /// How many raw bytes it takes.
    pub(crate) len: usize,
}

/// Raw bytes, and whether the stream ends with them.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) last: bool,
    /// It is a form's (`application/x-www-form-urlencoded`): a plus is a space.
    form: bool,
    /// Characters looked at, for the bound on work.
    work: Option<&'a Cell<u64>>,
}

/// A run of characters of one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Behind its last character.
    pub(crate) end: usize,
    /// Characters in it.
    pub(crate) count: usize,
    /// It may go on in bytes that are not here yet.
    pub(crate) open: bool,
    /// It was followed no further than its bound.
    pub(crate) capped: bool,
}

/// The longest escape: 16 backslashes and `uXXXX`.
const ESCAPE_MAX: usize = 21;
const ENTITIES: [(&[u8], u8); 6] = [
    (b"quot;", b'"'),
    (b"amp;", b'&'),
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"apos;", b'\''),
    (b"nbsp;", b' '),
];

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8], last: bool) -> Self {
        Self {
            bytes,
            last,
            form: false,
            work: None,
        }
    }

    /// The same, counting what is looked at.
    pub(crate) fn counted(self, work: &'a Cell<u64>) -> Self {
        Self {
            work: Some(work),
            ..self
        }
    }

    /// The same, read as a form.
    pub(crate) fn as_form(self) -> Self {
        Self { form: true, ..self }
    }

    #[inline]
    fn charge(&self, characters: usize) {
        if let Some(work) = self.work {
            work.set(work.get().saturating_add(characters as u64));
        }
    }

    #[inline]
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// The character at a position; `None` at the end, and where more bytes could change it.
    #[inline]
    pub(crate) fn glyph(&self, at: usize) -> Option<Glyph> {
        let byte = self.byte(at)?;
        self.charge(1);
        match byte {
            b'\\' => self.backslash(at),
            b'%' => self.percent(at),
            b'&' => self.entity(at),
            b'+' if self.form => Some(Glyph { byte: b' ', len: 1 }),
            _ => Some(Glyph { byte, len: 1 }),
        }
    }

    /// At the end of what is here: a literal character if nothing follows, else unknown.
    fn cut(&self, at: usize) -> Option<Glyph> {
        let byte = self.byte(at)?;
        self.last.then_some(Glyph { byte, len: 1 })
    }

    fn backslash(&self, at: usize) -> Option<Glyph> {
        let rest = self.slice(at, (at + ESCAPE_MAX).min(self.bytes.len()));
        let slashes = rest.iter().take_while(|byte| **byte == b'\\').count().min(16);
        let Some(kind) = rest.get(slashes).copied() else {
            return self.cut(at);
        };
        let (digits, head) = match kind {
            b'u' => (4, slashes + 1),
            b'x' => (2, slashes + 1),
            b'n' | b'r' | b't' | b'b' | b'f' => {
                return Some(Glyph {
                    byte: b'\n',
                    len: slashes + 1,
                });
            }
            other => {
                return Some(Glyph {
                    byte: other,
                    len: slashes + 1,
                });
            }
        };
        let code = rest.get(head..).unwrap_or_default();
        let given = code
            .iter()
            .take(digits)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        if given == digits {
            let value = hex_value(code.get(..digits).unwrap_or_default());
            return Some(Glyph {
                byte: plain(value),
                len: head + digits,
            });
        }
        if given == code.len() && !self.last {
            return None;
        }
        Some(Glyph {
            byte: kind,
            len: slashes + 1,
        })
    }

    fn percent(&self, at: usize) -> Option<Glyph> {
        let code = self.slice(at + 1, (at + 3).min(self.bytes.len()));
        if code.iter().all(u8::is_ascii_hexdigit) {
            if code.len() == 2 {
                return Some(Glyph {
                    byte: plain(hex_value(code)),
                    len: 3,
                });
            }
            return self.cut(at);
        }
        Some(Glyph { byte: b'%', len: 1 })
    }

    fn entity(&self, at: usize) -> Option<Glyph> {
        let rest = self.slice(at + 1, (at + 9).min(self.bytes.len()));
        for (name, byte) in ENTITIES {
            if rest.starts_with(name) {
                return Some(Glyph {
                    byte,
                    len: 1 + name.len(),
                });
            }
        }
        let numeric = rest.first() == Some(&b'#');
        if numeric && let Some(glyph) = numeric_entity(rest) {
            return Some(glyph);
        }
        let unfinished = ENTITIES.iter().any(|(name, _)| name.starts_with(rest))
            || (numeric
                && rest.len() < 7
                && rest
                    .iter()
                    .skip(1)
                    .all(|byte| byte.is_ascii_hexdigit() || *byte == b'x'));
        let open = unfinished && at + 1 + rest.len() == self.bytes.len();
        if open {
            self.cut(at)
        } else {
            Some(Glyph { byte: b'&', len: 1 })
        }
    }

    /// The run of characters of a set that begins here, of at most `most` characters.
    #[inline]
    pub(crate) fn run(&self, from: usize, set: &Charset, most: usize) -> Run {
        let mut end = from;
        let mut count = 0;
        loop {
            let plain = self
                .bytes
                .get(end..)
                .unwrap_or_default()
                .iter()
                .take(most - count)
                .take_while(|byte| set.has(**byte) && !matches!(**byte, b'%' | b'&') && !(self.form && **byte == b'+'))
                .count();
            self.charge(plain);
            end += plain;
            count += plain;
            if count >= most {
                return Run {
                    end,
                    count,
                    open: false,
                    capped: true,
                };
            }
            match self.glyph(end) {
                Some(glyph) if set.has(glyph.byte) => {
                    end += glyph.len;
                    count += 1;
                }
                Some(_) => {
                    return Run {
                        end,
                        count,
                        open: false,
                        capped: false,
                    };
                }
                None => {
                    return Run {
                        end,
                        count,
                        open: !self.last,
                        capped: false,
                    };
                }
            }
        }
    }

    /// What a reader sees before a position; `None` where the stream begins.
    pub(crate) fn before(&self, at: usize) -> Option<u8> {
        let head = self.bytes.get(..at)?;
        let (last, rest) = head.split_last()?;
        if rest.last() == Some(&b'\\') && matches!(last, b'n' | b'r' | b't' | b'b' | b'f') {
            return Some(b'\n');
        }
        for (digits, marks) in [(4, b"\\u".as_slice()), (2, b"\\x"), (2, b"%")] {
            let Some(split) = at.checked_sub(digits) else { continue };
            let (prefix, code) = head.split_at_checked(split)?;
            if prefix.ends_with(marks) && code.iter().all(u8::is_ascii_hexdigit) {
                return Some(plain(hex_value(code)));
            }
        }
        if *last == b';' {
            let entity = |name: &[u8]| head.strip_suffix(name).is_some_and(|before| before.ends_with(b"&"));
            if let Some((_, byte)) = ENTITIES.iter().find(|(name, _)| entity(name)) {
                return Some(*byte);
            }
        }
        // The end of a colour: ESC [ 3 1 m, the ESC in whatever form.
        if *last == b'm' && ends_colour(rest) {
            return Some(b' ');
        }
        Some(*last)
    }

    /// Whether a token can begin here: no letter or digit touches it from the left.
    pub(crate) fn starts(&self, at: usize) -> bool {
        self.before(at).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.bytes.len())
    }
}

fn ends_colour(head: &[u8]) -> bool {
    let codes = head
        .iter()
        .rev()
        .take(12)
        .take_while(|byte| byte.is_ascii_digit() || **byte == b';')
        .count();
    head.len().checked_sub(codes + 1).and_then(|at| head.get(at)) == Some(&b'[')
}

fn numeric_entity(rest: &[u8]) -> Option<Glyph> {
    let end = memchr::memchr(b';', rest)?;
    let digits = rest.get(1..end)?;
    let value = match digits.split_first()? {
        (b'x' | b'X', code) if !code.is_empty() && code.iter().all(u8::is_ascii_hexdigit) => hex_value(code),
        _ if digits.iter().all(u8::is_ascii_digit) => digits.iter().fold(0_u32, |value, digit| {
            value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
        }),
        _ => return None,
    };
    Some(Glyph {
        byte: plain(value),
        len: end + 2,
    })
}

/// Up to eight hexadecimal digits.
pub(crate) fn hex_value(digits: &[u8]) -> u32 {
    digits
        .iter()
        .filter_map(|digit| char::from(*digit).to_digit(16))
        .fold(0, |value, digit| (value << 4) | digit)
}

fn plain(value: u32) -> u8 {
    match value {
        0..0x20 => b'\n',
        0x20..0x7f => u8::try_from(value).unwrap_or(0xff),
        _ => 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charset::{BASE64, WORD};

    fn one(bytes: &[u8]) -> Option<(u8, usize)> {
        Text::new(bytes, true).glyph(0).map(|glyph| (glyph.byte, glyph.len))
    }

    #[test]
    fn every_way_to_write_a_character_is_that_character() {
        for (written, byte) in [
            ("/", b'/'),
            (r"\/", b'/'),
            (r"\\\/", b'/'),
            (r"\u002f", b'/'),
            (r"\\u002F", b'/'),
            (r"\x2f", b'/'),
            ("%2F", b'/'),
            ("&#47;", b'/'),
            ("&#x2f;", b'/'),
            ("&quot;", b'"'),
            (r#"\""#, b'"'),
            (r"\n", b'\n'),
            (r"\\\\n", b'\n'),
            (r"\u4e2d", 0xff),
            ("%", b'%'),
            ("&", b'&'),
        ] {
            assert_eq!(one(written.as_bytes()), Some((byte, written.len())), "{written}");
        }
        assert_eq!(one(b"%zz"), Some((b'%', 1)));
        assert_eq!(one(b"&lt=1"), Some((b'&', 1)));
    }

    #[test]
    fn an_escape_that_is_cut_is_unknown_until_the_rest_is_there() {
        for cut in [r"\", r"\u00", r"\\\u00", "%", "%2", "&", "&quo", "&#x2"] {
            assert_eq!(Text::new(cut.as_bytes(), false).glyph(0), None, "{cut}");
            assert!(Text::new(cut.as_bytes(), true).glyph(0).is_some(), "{cut}");
        }
    }

    #[test]
    fn a_plus_is_a_space_in_a_form_alone() {
        let text = Text::new(b"a+b%2Bc", true);
        assert_eq!(text.run(0, &BASE64, 99).count, 5);
        assert_eq!(text.as_form().run(0, &BASE64, 99).count, 1);
        assert_eq!(text.as_form().glyph(1), Some(Glyph { byte: b' ', len: 1 }));
        assert_eq!(text.as_form().glyph(3), Some(Glyph { byte: b'+', len: 3 }));
    }

    #[test]
    fn runs_go_through_escapes_and_stop_at_line_ends_of_any_depth() {
        let text = Text::new(br"ab\/c%2Bd\\ne", true);
        let run = text.run(0, &BASE64, 99);
        assert_eq!((run.end, run.count, run.open), (9, 6, false));
        assert!(Text::new(b"abc", false).run(0, &WORD, 99).open);
        assert!(Text::new(b"abcdef", false).run(0, &WORD, 4).capped);
    }

    #[test]
    fn what_stands_before_is_seen_through_escapes_and_colours() {
        for (head, seen) in [
            (r"x\n", b'\n'),
            (r"x\u0022", b'"'),
            ("a%3D", b'='),
            ("\x1b[1;31m", b' '),
            (r"\u001b[0m", b' '),
            ("&lt;", b'<'),
            ("lt;", b';'),
            ("m", b'm'),
            ("fn", b'n'),
        ] {
            assert_eq!(
                Text::new(head.as_bytes(), true).before(head.len()),
                Some(seen),
                "{head}"
            );
        }
        assert_eq!(Text::new(b"", true).before(0), None);
    }
}
