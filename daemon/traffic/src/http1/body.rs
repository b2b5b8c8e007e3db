//! How a body is framed (RFC 9112, 6 and 7): its bytes without that.

use memchr::memchr;

/// A line of the framing that is longer is none.
const LINE_MAX: usize = 4096;

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Until the connection ends.
    Close,
    Chunked(Chunk),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// The line with its length.
    Size,
    /// So many bytes of it.
    Data(u64),
    /// The end of its last line.
    End,
    /// Fields behind the last one.
    Trailers,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Of the body; then these follow.
    Body(&'a [u8], &'a [u8]),
    /// Of the framing; then these follow.
    Framing(&'a [u8]),
    /// They are not framed as they should be, up to these.
    Malformed(&'a [u8]),
}

impl Framing {
    /// The next of at least one byte, unless it is over or has come to the trailers. What is held is a line's begin.
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8], held: &mut Vec<u8>) -> Step<'a> {
        match self {
            Self::Close => Step::Body(bytes, &[]),
            Self::Length(left) => {
                let (body, rest) = split(left, bytes);
                Step::Body(body, rest)
            }
            Self::Chunked(chunk) => chunk.step(bytes, held),
        }
    }

    /// Whether it ends here, with no byte more.
    pub(super) fn is_over(self) -> bool {
        self == Self::Length(0)
    }

    /// Bytes of it are missing. Where these end in what is known to be of the body, it goes on.
    pub(super) fn skip(&mut self, missing: u64) -> bool {
        match self {
            Self::Close => true,
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) if missing <= *left && missing > 0 => {
                *left -= missing;
                true
            }
            _ => false,
        }
    }
}

fn split<'a>(left: &mut u64, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= here as u64;
    bytes.split_at_checked(here).unwrap_or_default()
}

impl Chunk {
    fn step<'a>(&mut self, bytes: &'a [u8], held: &mut Vec<u8>) -> Step<'a> {
        match self {
            Self::Data(0) => {
                *self = Self::End;
                Step::Framing(bytes)
            }
            Self::Data(left) => {
                let (body, rest) = split(left, bytes);
                Step::Body(body, rest)
            }
            Self::Trailers => Step::Framing(bytes),
            Self::Size | Self::End => {
                let end = memchr(b'\n', bytes).map(|end| end + 1);
                let room = LINE_MAX.saturating_sub(held.len());
                if end.unwrap_or(bytes.len()) > room {
                    return Step::Malformed(bytes.get(room..).unwrap_or_default());
                }
                let (line, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
                held.extend_from_slice(line);
                if end.is_some() && self.line(&std::mem::take(held)).is_none() {
                    return Step::Malformed(rest);
                }
                Step::Framing(rest)
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let line = line.trim_ascii();
        if *self == Self::End {
            *self = Self::Size;
            return line.is_empty().then_some(());
        }
        // Behind a semicolon come extensions.
        let size = line.split(|byte| *byte == b';').next()?.trim_ascii();
        let digits = std::str::from_utf8(size)
            .ok()
            .filter(|digits| !digits.starts_with('+'))?;
        *self = match u64::from_str_radix(digits, 16).ok()? {
            0 => Self::Trailers,
            size => Self::Data(size),
        };
        Some(())
    }
}
