//! A piece of the text decoded, with the way back to its raw bytes.

use crate::charset::{BASE64_ANY, HEX};
use crate::image::Layer;
use crate::text::{Text, hex_value};
use crate::verify::CONTEXT_REACH;

/// The most decoded bytes of one piece.
pub(crate) const VIEW_MAX: usize = 6 * 1024;
/// How far before a hit an encoded piece is decoded for what stands before it, in raw bytes: as far as context words are looked for.
const LEFT_BASE64: usize = CONTEXT_REACH.div_ceil(3) * 4;
const LEFT_HEX: usize = CONTEXT_REACH * 2;
/// The same of a field with escaped letters, of which nothing is given out before it is judged.
const LEFT: usize = 64;

/// A decoded piece.
pub(crate) struct View {
    pub(crate) bytes: Vec<u8>,
    /// For each decoded byte, where the raw group that holds it begins and ends.
    places: Vec<(usize, usize)>,
    /// The encoding ends with it; else more follows, here or in what is not here yet.
    pub(crate) closed: bool,
    /// It ended for want of bytes.
    pub(crate) open: bool,
}

impl View {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            places: Vec::new(),
            closed: false,
            open: false,
        }
    }

    fn push(&mut self, byte: u8, place: (usize, usize)) {
        self.bytes.push(byte);
        self.places.push(place);
    }

    /// The raw bytes of decoded bytes.
    pub(crate) fn raw(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let first = self.places.get(start)?;
        let last = self.places.get(end.checked_sub(1)?)?;
        Some((first.0, last.1))
    }

    /// The decoded byte that begins at or behind a raw position.
    pub(crate) fn at_raw(&self, raw: usize) -> usize {
        self.places.partition_point(|place| place.0 < raw)
    }
}

/// Decodes what begins at a position (a group's first byte), up to `until` or where the encoding ends.
pub(crate) fn decode(text: &Text<'_>, from: usize, layer: Layer, until: usize) -> View {
    let mut view = View::new();
    match layer {
        Layer::Base64 => base64(text, from, until, &mut view),
        Layer::Hex => hex(text, from, until, &mut view),
        Layer::Utf16 => utf16(text, from, until, &mut view),
        Layer::Escaped | Layer::Plain => escaped(text, from, until, &mut view),
    }
    view
}

/// Where decoding should begin so that a little of what stands before a group is seen too.
pub(crate) fn lead_in(text: &Text<'_>, group: usize, layer: Layer) -> usize {
    let left = match layer {
        Layer::Base64 => LEFT_BASE64,
        Layer::Hex => LEFT_HEX,
        _ => LEFT,
    };
    let head = text.slice(group.saturating_sub(left), group);
    let run = |test: &dyn Fn(u8) -> bool| head.iter().rev().take_while(|byte| test(**byte)).count();
    match layer {
        Layer::Base64 => group - run(&|byte| BASE64_ANY.has(byte) && byte != b'=') / 4 * 4,
        Layer::Hex => group - run(&|byte| HEX.has(byte)) / 2 * 2,
        Layer::Utf16 => group,
        Layer::Plain | Layer::Escaped => {
            group - run(&|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\''))
        }
    }
}

fn base64(text: &Text<'_>, from: usize, until: usize, view: &mut View) {
    let mut at = from;
    let mut group = [(0_u8, (0, 0)); 4];
    let mut filled = 0;
    while view.bytes.len() < VIEW_MAX && at < until {
        let Some(glyph) = text.glyph(at) else {
            (view.closed, view.open) = (text.last, !text.last);
            break;
        };
        let next = at + glyph.len;
        match sextet(glyph.byte) {
            Some(value) => {
                if let Some(slot) = group.get_mut(filled) {
                    *slot = (value, (at, next));
                }
                filled += 1;
            }
            // A line's end, once per line.
            None if glyph.byte == b'\n' && text.glyph(next).is_none_or(|after| sextet(after.byte).is_some()) => {}
            None if glyph.byte == b'\n' && text.byte(at) == Some(b'\r') => {}
            None => {
                let Some(padding) = padding(text, at, filled) else {
                    view.open = true;
                    return;
                };
                flush(&group, filled, at + padding, view);
                view.closed = true;
                return;
            }
        }
        if filled == 4 {
            flush(&group, 4, next, view);
            filled = 0;
        }
        at = next;
    }
    if view.closed || at >= until {
        flush(&group, filled, at.min(until), view);
    }
}

/// How many `=` fill up the last group; `None` if more may come.
fn padding(text: &Text<'_>, at: usize, filled: usize) -> Option<usize> {
    let wanted = if (2..4).contains(&filled) { 4 - filled } else { 0 };
    let here = text.bytes.get(at..).unwrap_or_default();
    let given = here.iter().take(wanted).take_while(|byte| **byte == b'=').count();
    let cut = given < wanted && given == here.len() && !text.last;
    (!cut).then_some(given)
}

fn flush(group: &[(u8, (usize, usize)); 4], filled: usize, end: usize, view: &mut View) {
    let value = group
        .iter()
        .take(filled)
        .fold(0_u32, |value, (sextet, _)| (value << 6) | u32::from(*sextet));
    let value = value << (6 * (4 - filled.min(4)));
    let [_, a, b, c] = value.to_be_bytes();
    let start = group.first().map_or(0, |first| first.1.0);
    for byte in [a, b, c].into_iter().take(filled.saturating_sub(1)) {
        view.push(byte, (start, end));
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn hex(text: &Text<'_>, from: usize, until: usize, view: &mut View) {
    let mut at = from;
    while view.bytes.len() < VIEW_MAX && at < until {
        let pair = text.slice(at, (at + 2).min(text.bytes.len()));
        let digits = pair.iter().take_while(|byte| HEX.has(**byte)).count();
        if digits < 2 {
            let cut = digits == pair.len();
            (view.closed, view.open) = (!cut || text.last, cut && !text.last);
            return;
        }
        view.push(u8::try_from(hex_value(pair)).unwrap_or(0xff), (at, at + 2));
        at += 2;
    }
}

fn utf16(text: &Text<'_>, from: usize, until: usize, view: &mut View) {
    let mut at = from;
    while view.bytes.len() < VIEW_MAX && at < until {
        match (text.byte(at), text.byte(at + 1)) {
            (Some(byte), Some(0)) if byte != 0 => view.push(byte, (at, at + 2)),
            (Some(byte), None) if text.last && byte != 0 => {
                view.push(byte, (at, at + 1));
                view.closed = true;
                return;
            }
            (Some(_), Some(_)) => {
                view.closed = true;
                return;
            }
            _ => {
                (view.closed, view.open) = (text.last, !text.last);
                return;
            }
        }
        at += 2;
    }
}

/// A field whose letters may be escaped, up to its quote or line's end.
fn escaped(text: &Text<'_>, from: usize, until: usize, view: &mut View) {
    let mut at = from;
    while view.bytes.len() < VIEW_MAX && at < until {
        let Some(glyph) = text.glyph(at) else {
            (view.closed, view.open) = (text.last, !text.last);
            return;
        };
        if glyph.len == 1 && matches!(glyph.byte, b'"' | b'\n') {
            view.closed = true;
            return;
        }
        view.push(glyph.byte, (at, at + glyph.len));
        at += glyph.len;
    }
}
