//! Values assigned to a name that says what they are: `password=`, `"apiKey": "`, `<secret>`, `--token `, `"name":"DB_PASSWORD","value":"`,
//! `name: DB_PASSWORD` with `value:` in the next line, `variable "db_password" {` with `default =` in it.

use super::gates::{is_placeholder, is_random, is_words};
use super::{VALUE_MAX, contains_fold};
use crate::charset::Charset;
use crate::detector::{Assigned, Confidence, Found, Hit, Verdict};
use crate::text::{Glyph, Text};

const NAME_MAX: usize = 64;
/// Most values are shorter.
const TYPICAL: usize = 64;
/// How far before a name the word stands that says what is done with it.
const SAID_MAX: usize = 32;
/// A quote and the backslashes before it.
const QUOTE_MAX: usize = 17;
/// Functions of a name and its value.
const SETTERS: [&[u8]; 3] = [b"define", b"setenv", b"putenv"];
const SPACES_MAX: usize = 8;
/// The deepest indentation.
const INDENT_MAX: usize = 40;
/// How far into a block its default is looked for, in characters.
const BLOCK_MAX: usize = 320;
/// Parts of names of which the value is no secret.
const BENIGN_NAMES: [&str; 11] = [
    "page", "next", "cursor", "contin", "public", "cancel", "max_", "num_", "stop_", "pad_", "forgot",
];
/// What ends a value without quotes.
static BARE_END: Charset = Charset::of("\n\r\t \"'`,;&<>|(){}[]");

pub(crate) fn verify(text: &Text<'_>, hit: Hit, kind: Assigned) -> Verdict {
    let name = name_before(text, hit);
    // An operator that is escaped, or a plus before it, is a form's.
    let form = matches!(text.byte(hit.end), Some(b'%' | b'+'));
    let text = &if form { text.as_form() } else { *text };
    let mut reader = Reader {
        text,
        at: hit.end,
        form,
    };
    match reader.operator(name) {
        Some(Operator::None) => Verdict::Clean,
        Some(_) if is_benign_name(text.slice(name, hit.end)) => Verdict::Clean,
        Some(Operator::Element) => reader.value_until(kind, b'<', usize::MAX, true),
        Some(Operator::Assign { quoted_name }) if !quoted_name && reader.ends_string(name) => Verdict::Clean,
        Some(Operator::Assign { quoted_name }) => reader.value(kind, quoted_name),
        None if text.last => Verdict::Clean,
        None => Verdict::More,
    }
}

/// Where the whole name begins of which the literal is the end.
fn name_before(text: &Text<'_>, hit: Hit) -> usize {
    let head = text.slice(hit.start.saturating_sub(NAME_MAX), hit.start);
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$');
    let count = head.iter().rev().take_while(part).count();
    let (before, name) = head.split_at_checked(head.len() - count).unwrap_or_default();
    hit.start - (count - escaped_before(before, name))
}

/// How many of a name's bytes are the end of an escape before it: `\nname`, `\u003cname`, `%3Cname`.
fn escaped_before(before: &[u8], name: &[u8]) -> usize {
    let hex = |from: usize, to: usize| {
        name.get(from..to)
            .is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    };
    match (before.last(), name.first()) {
        (Some(b'%'), _) if hex(0, 2) => 2,
        (Some(b'\\'), Some(b'u')) if hex(1, 5) => 5,
        (Some(b'\\'), Some(b'x')) if hex(1, 3) => 3,
        (Some(b'\\'), Some(b'n' | b'r' | b't' | b'b' | b'f')) => 1,
        _ => 0,
    }
}

fn is_benign_name(name: &[u8]) -> bool {
    BENIGN_NAMES.iter().any(|part| contains_fold(name, part.as_bytes()))
}

enum Operator {
    None,
    Assign { quoted_name: bool },
    Element,
}

struct Reader<'a, 'b> {
    text: &'a Text<'b>,
    at: usize,
    /// It is read as a form.
    form: bool,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<Glyph> {
        self.text.glyph(self.at)
    }

    fn take_if(&mut self, test: impl Fn(u8) -> bool) -> Option<bool> {
        let glyph = self.peek()?;
        let taken = test(glyph.byte);
        if taken {
            self.at += glyph.len;
        }
        Some(taken)
    }

    /// Passes over spaces; how many. `None` if the text ends in them.
    fn spaces(&mut self, lines: bool) -> Option<usize> {
        self.blank(SPACES_MAX, lines)
    }

    fn blank(&mut self, most: usize, lines: bool) -> Option<usize> {
        for count in 0..most {
            if !self.take_if(|byte| byte == b' ' || (lines && byte == b'\n'))? {
                return Some(count);
            }
        }
        Some(most)
    }

    /// Passes over a word; whether it was there.
    fn word(&mut self, word: &[u8]) -> Option<bool> {
        for wanted in word {
            if !self.take_if(|byte| byte == *wanted)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// What stands between the name and its value; `None` if the text ends before that is known.
    fn operator(&mut self, name: usize) -> Option<Operator> {
        let is_quote = |byte| matches!(byte, b'"' | b'\'' | b'`');
        let quoted_name = self.take_if(is_quote)?;
        if quoted_name {
            self.take_if(|byte| byte == b']')?;
        }
        let spaces = self.spaces(false)?;
        let next = self.peek()?;
        match next.byte {
            b'=' | b':' => {
                self.at += next.len;
                let second = self.peek()?;
                match (next.byte, second.byte) {
                    (b'=', b'=' | b'~') | (b':', b':') => return Some(Operator::None),
                    (_, b'=' | b'>') => self.at += second.len,
                    _ => {}
                }
                self.spaces(quoted_name)?;
                Some(Operator::Assign { quoted_name })
            }
            b'>' if spaces == 0 && self.text.before(name) == Some(b'<') => {
                self.at += next.len;
                Some(Operator::Element)
            }
            b',' if quoted_name => self.named_pair(name),
            b'v' if quoted_name && spaces > 0 => self.attribute(),
            b'{' if quoted_name && self.is_said_before(name, b"variable") => self.default(),
            b'\n' if self.is_said_before(name, b"name:") => self.next_line(),
            // `--password x`: the name's own hyphens are part of it.
            _ if spaces == 1 && self.text.slice(name, name + 2) == b"--" => Some(Operator::Assign { quoted_name }),
            _ => Some(Operator::None),
        }
    }

    /// `value=` behind `key="ApiKey"`, as elements of XML have it.
    fn attribute(&mut self) -> Option<Operator> {
        let named = self.word(b"value=")?;
        Some(if named {
            Operator::Assign { quoted_name: true }
        } else {
            Operator::None
        })
    }

    /// Whether a word stands before the name and what quotes it, escaped or not.
    fn is_said_before(&self, name: usize, word: &[u8]) -> bool {
        contains_fold(self.text.slice(name.saturating_sub(SAID_MAX), name), word)
    }

    /// `default =` in the block of a Terraform variable.
    fn default(&mut self) -> Option<Operator> {
        let mut before = b'{';
        for _ in 0..BLOCK_MAX {
            let glyph = self.peek()?;
            if glyph.byte == b'}' {
                break;
            }
            if glyph.byte == b'd' && matches!(before, b'{' | b' ' | b'\n') {
                if self.word(b"default")? {
                    self.spaces(false)?;
                    if self.take_if(|byte| byte == b'=')? {
                        self.spaces(false)?;
                        return Some(Operator::Assign { quoted_name: true });
                    }
                }
                before = b'd';
                continue;
            }
            before = glyph.byte;
            self.at += glyph.len;
        }
        Some(Operator::None)
    }

    /// `value:` in the line behind `name: DB_PASSWORD`, as containers' environments have it.
    fn next_line(&mut self) -> Option<Operator> {
        self.blank(INDENT_MAX, true)?;
        if !self.word(b"value:")? {
            return Some(Operator::None);
        }
        self.spaces(false)?;
        Some(Operator::Assign { quoted_name: false })
    }

    /// `,"value":` behind `"name":"DB_PASSWORD"`, or the value itself behind `define('DB_PASSWORD'`.
    fn named_pair(&mut self, name: usize) -> Option<Operator> {
        let comma = self.peek()?;
        self.at += comma.len;
        self.spaces(true)?;
        if SETTERS.iter().any(|setter| self.is_said_before(name, setter)) {
            return Some(Operator::Assign { quoted_name: true });
        }
        if self.text.slice(name, name + 2) == b"--" {
            return self.argument();
        }
        if !self.take_if(|byte| byte == b'"')? {
            return Some(Operator::None);
        }
        if !self.word(b"value\"")? {
            return Some(Operator::None);
        }
        self.spaces(false)?;
        if !self.take_if(|byte| byte == b':')? {
            return Some(Operator::None);
        }
        self.spaces(true)?;
        Some(Operator::Assign { quoted_name: true })
    }

    /// The argument behind `"--password",`, unless it is an option itself.
    fn argument(&self) -> Option<Operator> {
        let quote = self.peek()?;
        let is_option = self.text.glyph(self.at + quote.len)?.byte == b'-';
        Some(if is_option {
            Operator::None
        } else {
            Operator::Assign { quoted_name: true }
        })
    }

    /// Whether the quote here closes a string that begins with the name: `'Password: '`, a prompt.
    fn ends_string(&self, name: usize) -> bool {
        let head = self.text.slice(name.saturating_sub(QUOTE_MAX), name);
        let opening = match head.strip_suffix(b"%27").or_else(|| head.strip_suffix(b"%22")) {
            Some(_) => 3,
            None => 1 + head.iter().rev().skip(1).take_while(|byte| **byte == b'\\').count(),
        };
        self.peek().is_some_and(|quote| {
            matches!(quote.byte, b'"' | b'\'' | b'`')
                && quote.len == opening
                && self.text.before(name) == Some(quote.byte)
        })
    }

    fn value(&mut self, kind: Assigned, quoted_name: bool) -> Verdict {
        let Some(first) = self.peek() else {
            return self.ended();
        };
        if matches!(first.byte, b'"' | b'\'' | b'`') {
            self.at += first.len;
            return self.value_until(kind, first.byte, first.len, quoted_name);
        }
        self.bare(kind, quoted_name)
    }

    fn ended(&self) -> Verdict {
        if self.text.last { Verdict::Clean } else { Verdict::More }
    }

    /// Up to a closing character that is escaped no deeper than the opening one.
    fn value_until(&mut self, kind: Assigned, close: u8, depth: usize, named: bool) -> Verdict {
        let from = self.at;
        let mut plain = Vec::with_capacity(TYPICAL);
        let mut spaces = 0;
        while plain.len() < VALUE_MAX {
            let Some(glyph) = self.peek() else {
                if self.text.last {
                    break;
                }
                return Verdict::More;
            };
            let ends =
                (glyph.byte == close && glyph.len <= depth) || (glyph.byte == b'\n' && (glyph.len == 1 || self.form));
            if ends {
                break;
            }
            spaces += usize::from(glyph.byte == b' ');
            if spaces > 4 || (spaces > 0 && kind == Assigned::Key) {
                return Verdict::Clean;
            }
            plain.push(glyph.byte);
            self.at += glyph.len;
        }
        let good = match kind {
            Assigned::Password => plain.len() >= 4 && !is_prose(&plain, named) && !is_placeholder(&plain),
            Assigned::Key => is_random(&plain) && !is_placeholder(&plain),
        };
        self.verdict(good, from, plain.len() >= VALUE_MAX)
    }

    fn bare(&mut self, kind: Assigned, quoted_name: bool) -> Verdict {
        let from = self.at;
        let mut plain = Vec::with_capacity(TYPICAL);
        let mut stop = b'\n';
        while plain.len() < VALUE_MAX {
            let Some(glyph) = self.peek() else {
                if self.text.last {
                    break;
                }
                return Verdict::More;
            };
            let within = glyph.byte == b'&' && kind == Assigned::Password && is_password(&plain);
            let goes_on = match within.then(|| self.is_within(self.at + glyph.len)) {
                None => false,
                Some(Some(goes_on)) => goes_on,
                Some(None) => return Verdict::More,
            };
            if BARE_END.has(glyph.byte) && !goes_on {
                stop = glyph.byte;
                break;
            }
            plain.push(glyph.byte);
            self.at += glyph.len;
        }
        let code = matches!(stop, b'(' | b'[' | b'{') || is_words(&plain);
        let good = !code
            && match kind {
                Assigned::Password => plain.len() >= 6 && is_password(&plain) && (!quoted_name || is_number(&plain)),
                Assigned::Key => !quoted_name && is_random(&plain) && plain.iter().any(u8::is_ascii_digit),
            }
            && !is_placeholder(&plain);
        self.verdict(good, from, plain.len() >= VALUE_MAX)
    }

    /// Whether what follows an ampersand is more of a password: not another name with its value, nor the end. `None` if the text ends before
    /// that is known.
    fn is_within(&self, from: usize) -> Option<bool> {
        static NAME: Charset = Charset::of("A-Za-z0-9_.[]-");
        let name = self.text.run(from, &NAME, NAME_MAX);
        if name.open {
            return None;
        }
        let behind = match self.text.glyph(name.end) {
            None if !self.text.last => return None,
            next => next.map_or(b'\n', |next| next.byte),
        };
        Some(behind != b'=' && (name.count > 0 || !BARE_END.has(behind)))
    }

    fn verdict(&self, good: bool, from: usize, capped: bool) -> Verdict {
        static REST: Charset = Charset::except("\n\r\t \"'`,;&<>|(){}[]");
        if !good {
            return Verdict::Clean;
        }
        Verdict::Hide(Found {
            rest: capped.then_some(&REST),
            ..Found::new(from, self.at, Confidence::Low)
        })
    }
}

fn is_number(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit)
}

/// Something a person or a generator would choose: not letters of one case alone.
pub(crate) fn is_password(value: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| value.iter().any(test);
    has(u8::is_ascii_digit)
        || has(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'_' | b'-' | b'/' | b':'))
}

/// Several words, or one that a form's label or message would be.
fn is_prose(value: &[u8], named: bool) -> bool {
    let spaced = value.contains(&b' ');
    let letters = value
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || *byte == b' ' || *byte == 0xff);
    let capital = value.first().is_some_and(u8::is_ascii_uppercase);
    (letters && (spaced || capital || !named)) || (spaced && value.ends_with(b"."))
}
