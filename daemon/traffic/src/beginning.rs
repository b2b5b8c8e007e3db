//! What a connection speaks, by what comes first.

use memchr::memchr;

use crate::exchange::Direction;
use crate::http1::{FirstLine, find_first_line, first_line, may_be_first};
use crate::http2::{PREFACE, begins_server, has_head};

/// A first line that is longer is none.
const LINE_MAX: usize = 16 << 10;
/// Where the beginning is missing, so many bytes are searched for something that is known.
const SEARCHED_MAX: usize = 1 << 20;

/// What the beginnings of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wait,
    /// With requests this way.
    Http1(Direction),
    Http2(Direction),
    NotHttp,
}

/// The first bytes of both directions.
#[derive(Default)]
pub(crate) struct Beginnings {
    pub(crate) sent: Vec<u8>,
    pub(crate) received: Vec<u8>,
    /// The first bytes did not come to us, so that what comes is searched for something that is known.
    pub(crate) torn: bool,
    searched: usize,
}

impl Beginnings {
    pub(crate) fn of(&mut self, direction: Direction) -> &mut Vec<u8> {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn take(&mut self, direction: Direction, bytes: &[u8]) -> Verdict {
        if self.torn {
            return self.search(direction, bytes);
        }
        self.of(direction).extend_from_slice(bytes);
        match verdict(direction, self.of(direction)) {
            // The other direction may be the one that can be told.
            Verdict::Wait => verdict(direction.opposite(), self.of(direction.opposite())),
            verdict => verdict,
        }
    }

    fn search(&mut self, direction: Direction, bytes: &[u8]) -> Verdict {
        self.searched += bytes.len();
        let searched = self.searched;
        let held = self.of(direction);
        let frames_from = held.len().saturating_sub(8);
        held.extend_from_slice(bytes);
        if held.get(frames_from..).is_some_and(has_head) {
            // A server whose connection is older than us is the exception.
            return Verdict::Http2(Direction::Sent);
        }
        let mut from = 0;
        while let Some(end) = held.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            match find_first_line(held.get(from..from + end).unwrap_or_default()) {
                Some((_, FirstLine::Request)) => return Verdict::Http1(direction),
                Some((_, FirstLine::Answer)) => return Verdict::Http1(direction.opposite()),
                _ => from += end + 1,
            }
        }
        // A line that has not ended, or the beginning of a frame's head.
        let keep = (held.len() - from).clamp(8, LINE_MAX);
        if held.len() > 2 * keep {
            held.drain(..held.len() - keep);
        }
        if searched > SEARCHED_MAX {
            Verdict::NotHttp
        } else {
            Verdict::Wait
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.sent.capacity() + self.received.capacity()
    }
}

fn verdict(direction: Direction, bytes: &[u8]) -> Verdict {
    if PREFACE.starts_with(bytes) {
        return Verdict::Wait;
    }
    if bytes.starts_with(PREFACE) {
        return Verdict::Http2(direction);
    }
    if begins_server(bytes) {
        return Verdict::Http2(direction.opposite());
    }
    if bytes.first() == Some(&0) && bytes.len() < 9 {
        return Verdict::Wait;
    }
    // Empty lines before a request do not count (RFC 9112, 2.2).
    let from = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let rest = bytes.get(from.unwrap_or(bytes.len())..).unwrap_or_default();
    let end = memchr(b'\n', rest);
    let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    match first_line(line) {
        FirstLine::Request if end.is_some() => Verdict::Http1(direction),
        FirstLine::Answer if end.is_some() => Verdict::Http1(direction.opposite()),
        FirstLine::Neither if end.is_some() || !may_be_first(line) => Verdict::NotHttp,
        _ if bytes.len() > LINE_MAX => Verdict::NotHttp,
        _ => Verdict::Wait,
    }
}
