//! What stands in the output in place of what is hidden.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::image::Layer;
use crate::text::Text;

/// How hidden values are replaced.
#[derive(Clone, Default)]
pub enum Style {
    /// `[REDACTED:github-token]`.
    #[default]
    Label,
    /// As many bytes as there were: asterisks; digits where the value was a number.
    Mask,
    /// `[github-token:5f0c9a2e71d3]`: the same value under the same key has the same name, however it was written. The key should be of 32
    /// random bytes.
    Pseudonym(Vec<u8>),
}

impl std::fmt::Debug for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Label => "Label",
            Self::Mask => "Mask",
            Self::Pseudonym(_) => "Pseudonym(key not shown)",
        })
    }
}

/// Hexadecimal digits of a pseudonym: 48 bits, so that among ten thousand values two share one with a chance below one in five million.
pub(crate) const PSEUDONYM_DIGITS: usize = 12;

/// A hidden value in its surroundings.
pub(crate) struct Hidden<'a> {
    /// What is there of the stream.
    pub(crate) text: Text<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: &'a str,
    pub(crate) layer: Layer,
    /// Whether its bytes are all in `text`.
    pub(crate) whole: bool,
    /// Bytes of it in the stream.
    pub(crate) length: usize,
}

impl Style {
    /// Appends what stands in place of a value.
    pub(crate) fn write(&self, hidden: &Hidden<'_>, output: &mut Vec<u8>) {
        let raw = hidden.text.slice(hidden.start, hidden.end);
        let number = hidden.whole && is_number(hidden);
        match hidden.layer {
            _ if number => output.extend(self.number(hidden, raw)),
            Layer::Base64 if hidden.whole => base64(raw, |room| self.fitted(hidden, room), output),
            Layer::Hex if hidden.whole => output.extend(hex_text(&self.fitted(hidden, raw.len() / 2)).bytes()),
            Layer::Utf16 if hidden.whole => wide(raw, &self.fitted(hidden, raw.len().div_ceil(2)), output),
            _ => match self {
                Self::Mask => output.extend(std::iter::repeat_n(b'*', hidden.length)),
                _ => output.extend(self.name(hidden).bytes()),
            },
        }
    }

    fn name(&self, hidden: &Hidden<'_>) -> String {
        match self {
            Self::Pseudonym(key) if hidden.whole => {
                let digits = hex_text(&tag(key, hidden));
                format!(
                    "[{}:{}]",
                    hidden.kind,
                    digits.get(..PSEUDONYM_DIGITS).unwrap_or_default()
                )
            }
            _ => format!("[REDACTED:{}]", hidden.kind),
        }
    }

    /// The name if there is room for it, filled up with asterisks.
    fn fitted(&self, hidden: &Hidden<'_>, room: usize) -> Vec<u8> {
        let mut text = match self {
            Self::Mask => Vec::new(),
            _ => self.name(hidden).into_bytes(),
        };
        if text.len() > room {
            text.clear();
        }
        text.resize(room, b'*');
        text
    }

    /// A number of as many digits: JSON has none with a leading zero.
    fn number(&self, hidden: &Hidden<'_>, raw: &[u8]) -> Vec<u8> {
        let mut digits = vec![b'0'; raw.len()];
        if let Self::Pseudonym(key) = self {
            for (digit, byte) in digits.iter_mut().zip(tag(key, hidden).iter().cycle()) {
                *digit = b'0' + byte % 10;
            }
        }
        if let Some(first) = digits.first_mut() {
            *first = (*first).max(b'1');
        }
        digits
    }
}

/// The keyed hash of what a reader of the value sees.
fn tag(key: &[u8], hidden: &Hidden<'_>) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for byte in plain(hidden) {
        mac.update(&[byte]);
    }
    mac.finalize().into_bytes().into()
}

/// The value as its reader sees it.
fn plain(hidden: &Hidden<'_>) -> Vec<u8> {
    match hidden.layer {
        Layer::Plain | Layer::Escaped => glyphs(&hidden.text, hidden.start, hidden.end),
        layer => {
            let view = crate::view::decode(&hidden.text, hidden.start, layer, hidden.end);
            view.bytes
        }
    }
}

/// The characters of a range, escapes read.
pub(crate) fn glyphs(text: &Text<'_>, start: usize, end: usize) -> Vec<u8> {
    let text = Text::new(text.slice(0, end), true);
    let mut plain = Vec::with_capacity(end.saturating_sub(start));
    let mut at = start;
    while let Some(glyph) = text.glyph(at) {
        plain.push(glyph.byte);
        at += glyph.len;
    }
    plain
}

/// How far back an array may begin of which the value is an element, in bytes.
const ARRAY_REACH: usize = 256;

/// Whether the value is a number of JSON: digits behind the colon of a quoted name, or in an array of numbers.
fn is_number(hidden: &Hidden<'_>) -> bool {
    let raw = hidden.text.slice(hidden.start, hidden.end);
    let head = hidden
        .text
        .slice(hidden.start.saturating_sub(ARRAY_REACH), hidden.start);
    let before = |passed: &[u8]| head.iter().rev().find(|byte| !passed.contains(byte));
    let mut member = head.iter().rev().filter(|byte| !byte.is_ascii_whitespace());
    let value = (member.next() == Some(&b':') && member.next() == Some(&b'"'))
        || (matches!(before(b" \n\r\t"), Some(b'[' | b',')) && before(b" \n\r\t0123456789.,+-eE") == Some(&b'['));
    let next = hidden.text.glyph(hidden.end).map_or(b' ', |next| next.byte);
    value
        && !raw.is_empty()
        && raw.iter().all(u8::is_ascii_digit)
        && matches!(next, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of another text in the places of the characters of this one; line ends and padding stay.
fn base64(raw: &[u8], text: impl Fn(usize) -> Vec<u8>, output: &mut Vec<u8>) {
    let places = raw
        .iter()
        .filter(|byte| crate::charset::BASE64_ANY.has(**byte) && **byte != b'=')
        .count();
    let text = text(places * 6 / 8);
    let bits = |place: usize| {
        (0..6).fold(0_usize, |value, bit| {
            let at = place * 6 + bit;
            let byte = text.get(at / 8).copied().unwrap_or(0);
            (value << 1) | usize::from((byte >> (7 - at % 8)) & 1)
        })
    };
    let mut place = 0;
    for byte in raw {
        if crate::charset::BASE64_ANY.has(*byte) && *byte != b'=' {
            output.push(STANDARD.get(bits(place)).copied().unwrap_or(b'A'));
            place += 1;
        } else {
            output.push(*byte);
        }
    }
}

fn hex_text(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn wide(raw: &[u8], text: &[u8], output: &mut Vec<u8>) {
    let mut text = text.iter();
    output.extend(raw.iter().map(|byte| match byte {
        0 => 0,
        _ => text.next().copied().unwrap_or(b'*'),
    }));
}
