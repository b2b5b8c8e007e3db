//! Deflate in what HTTP wraps it in: `gzip` (RFC 1952), and `deflate`, with the head of RFC 1950 or, as many send it, without. Checksums are
//! not looked at.

use std::io::{self, Write};

use flate2::{Decompress, FlushDecompress, Status};

use super::Sink;

const STEP: usize = 8 << 10;
/// Checksum and length behind a member of gzip.
const GZIP_TAIL: u8 = 8;

pub(super) struct Decoder {
    part: Part,
    is_gzip: bool,
    state: Option<Decompress>,
    buffer: Box<[u8]>,
    pub(super) sink: Sink,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Part {
    /// The first byte tells which of both it is.
    Deflate,
    Head(Head),
    Data,
    Tail(u8),
    /// Nothing more.
    End,
}

/// A gzip member's head: how far it has been read.
#[derive(Clone, Copy)]
enum Head {
    /// Of ten bytes, these were there; then the flags.
    Fixed(u8, u8),
    /// Bytes to come of the length of the extra field, and that length.
    ExtraLength(u8, u16, u8),
    Extra(u16, u8),
    /// Up to a zero: name, comment.
    Text(u8),
    /// Bytes to come of the checksum.
    Checksum(u8),
}

const CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

impl Head {
    const BEGIN: Self = Self::Fixed(0, 0);

    /// Takes a byte; the next state, if the head is not over.
    fn take(self, byte: u8) -> io::Result<Option<Self>> {
        let next = match self {
            Self::Fixed(at, flags) => {
                let expected = [0x1f, 0x8b, 8].get(usize::from(at)).copied();
                if expected.is_some_and(|expected| expected != byte) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let flags = if at == 3 { byte } else { flags };
                match at {
                    0..9 => return Ok(Some(Self::Fixed(at + 1, flags))),
                    _ if flags & EXTRA != 0 => Some(Self::ExtraLength(2, 0, flags)),
                    _ => Self::behind(flags),
                }
            }
            Self::ExtraLength(2, _, flags) => Some(Self::ExtraLength(1, u16::from(byte), flags)),
            Self::ExtraLength(_, low, flags) => match u16::from(byte) << 8 | low {
                0 => Self::behind(flags),
                length => Some(Self::Extra(length, flags)),
            },
            Self::Extra(1, flags) => Self::behind(flags),
            Self::Extra(left, flags) => Some(Self::Extra(left - 1, flags)),
            Self::Text(flags) if byte != 0 => Some(Self::Text(flags)),
            // The name comes first.
            Self::Text(flags) if flags & NAME != 0 => Self::behind(flags & !NAME),
            Self::Text(flags) => Self::behind(flags & !COMMENT),
            Self::Checksum(2) => Some(Self::Checksum(1)),
            Self::Checksum(_) => None,
        };
        Ok(next)
    }

    /// What is behind the extra field.
    fn behind(flags: u8) -> Option<Self> {
        if flags & (NAME | COMMENT) != 0 {
            Some(Self::Text(flags))
        } else {
            (flags & CHECKSUM != 0).then_some(Self::Checksum(2))
        }
    }
}

impl Decoder {
    pub(super) fn gzip() -> Self {
        Self::new(Part::Head(Head::BEGIN), true)
    }

    pub(super) fn deflate() -> Self {
        Self::new(Part::Deflate, false)
    }

    fn new(part: Part, is_gzip: bool) -> Self {
        Self {
            part,
            is_gzip,
            state: None,
            buffer: Box::default(),
            sink: Sink::default(),
        }
    }

    pub(super) fn write_all(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while let Some((first, behind)) = rest.split_first() {
            match self.part {
                Part::Deflate => {
                    // The head names method 8 and a window of at most 32 KiB.
                    let headed = first & 0x0f == 8 && first >> 4 <= 7;
                    self.begin(headed);
                }
                Part::Head(head) => {
                    rest = behind;
                    match head.take(*first)? {
                        Some(head) => self.part = Part::Head(head),
                        None => self.begin(false),
                    }
                }
                Part::Data => rest = self.inflate(rest)?,
                Part::Tail(left) => {
                    rest = behind;
                    self.part = match left {
                        1 => Part::Head(Head::BEGIN),
                        _ => Part::Tail(left - 1),
                    };
                }
                Part::End => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn begin(&mut self, headed: bool) {
        self.part = Part::Data;
        if let Some(state) = &mut self.state {
            state.reset(headed);
        } else {
            self.state = Some(Decompress::new(headed));
            self.buffer = vec![0; STEP].into();
        }
    }

    /// What follows of the input.
    fn inflate<'a>(&mut self, mut rest: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some(state) = &mut self.state else { return Ok(&[]) };
        loop {
            let (taken, made) = (state.total_in(), state.total_out());
            let status = state
                .decompress(rest, &mut self.buffer, FlushDecompress::None)
                .map_err(io::Error::other)?;
            let taken = usize::try_from(state.total_in() - taken).unwrap_or(rest.len());
            let made = usize::try_from(state.total_out() - made).unwrap_or(0);
            rest = rest.get(taken..).unwrap_or_default();
            self.sink.write_all(self.buffer.get(..made).unwrap_or_default())?;
            if status == Status::StreamEnd {
                self.part = if self.is_gzip { Part::Tail(GZIP_TAIL) } else { Part::End };
                return Ok(rest);
            }
            if taken == 0 && made == 0 || made < STEP && rest.is_empty() {
                return Ok(&[]);
            }
        }
    }

    /// Whether it ends where it may.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match self.part {
            Part::End | Part::Deflate => Ok(()),
            Part::Head(Head::Fixed(0, _)) if self.state.is_some() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
