//! Lines up to an empty one, and what a line begins, without looking at a byte twice.

use memchr::memchr;

/// What came of bytes.
pub(super) enum Lines<'a> {
    /// They are kept until more come.
    More,
    /// More than is kept; then these bytes follow.
    TooLong(&'a [u8]),
    /// What was kept begins as no message does; then these bytes follow.
    NoMessage(&'a [u8]),
    /// All lines with the empty one; then these bytes follow.
    Whole(Vec<u8>, &'a [u8]),
}

/// Whether a line is what is expected.
type Asked = dyn Fn(&[u8]) -> bool;

/// Adds bytes to what is kept. `first` is asked about the first line. Empty lines before it do not count where there is one to ask about.
pub(super) fn gather<'a>(held: &mut Vec<u8>, mut bytes: &'a [u8], most: usize, first: Option<&Asked>) -> Lines<'a> {
    while !bytes.is_empty() {
        let end = memchr(b'\n', bytes).map(|end| end + 1);
        let room = most.saturating_sub(held.len());
        if end.unwrap_or(bytes.len()) > room {
            return Lines::TooLong(bytes.get(room..).unwrap_or_default());
        }
        let (line, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
        bytes = rest;
        let begins = end.is_some() && memchr(b'\n', held).is_none();
        held.extend_from_slice(line);
        if end.is_none() {
            return Lines::More;
        }
        let is_empty = matches!(held.as_slice(), b"\n" | b"\r\n");
        match first {
            Some(_) if is_empty => held.clear(),
            Some(first) if begins && !first(held) => return Lines::NoMessage(rest),
            _ if is_empty || held.ends_with(b"\n\n") || held.ends_with(b"\n\r\n") => {
                return Lines::Whole(std::mem::take(held), rest);
            }
            _ => {}
        }
    }
    Lines::More
}

/// Of a line, so many bytes before its end are looked at.
const LINE_MAX: usize = 16 << 10;

/// Passes over lines up to one in which a message begins. What is kept then is the message's part of that line; these bytes follow.
pub(super) fn search<'a>(
    held: &mut Vec<u8>,
    mut bytes: &'a [u8],
    find: impl Fn(&[u8]) -> Option<usize>,
) -> Option<&'a [u8]> {
    while !bytes.is_empty() {
        let end = memchr(b'\n', bytes).map(|end| end + 1);
        let (line, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
        bytes = rest;
        held.extend_from_slice(line.get(line.len().saturating_sub(LINE_MAX)..).unwrap_or_default());
        if end.is_some() || held.len() > 2 * LINE_MAX {
            held.drain(..held.len().saturating_sub(LINE_MAX));
        }
        if end.is_some() {
            if let Some(at) = find(held) {
                held.drain(..at);
                return Some(rest);
            }
            held.clear();
        }
    }
    None
}
