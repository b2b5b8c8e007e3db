//! Content codings (RFC 9110, 8.4) undone, piece by piece and within bounds.

mod inflate;
mod zstd;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use brotli_decompressor::DecompressorWriter;

use crate::doubt::Doubt;
use crate::limits::Limits;

/// More codings on top of each other than this are nobody's ordinary traffic.
const LAYERS_MAX: usize = 3;
/// Coded input is taken in pieces of this many bytes, so that a bomb is noticed before it is unpacked.
const PIECE: usize = 1024;
/// What one of them may unpack to.
const PIECE_UNPACKED: usize = 4 << 20;
/// No coding has more before its first byte.
const HELD_MAX: usize = 4096;
/// Windows and tables of deflate.
const DEFLATE: usize = 80 << 10;

/// One body's decoders.
pub(crate) struct Decoder {
    layers: Vec<Layer>,
    taken: u64,
    decoded: u64,
    /// Until something comes of them, the first bytes: many a body is not in the coding that its head names.
    held: Option<Vec<u8>>,
}

/// What decoding may cost.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Limits,
    /// Bytes that the decoders of this body may keep.
    pub(crate) room: usize,
}

enum Layer {
    Inflate(inflate::Decoder),
    /// The first byte says how much it keeps, in bytes.
    Brotli(Option<Box<DecompressorWriter<Sink>>>, usize),
    Zstd(Box<zstd::Decoder>),
}

/// Takes what a decoder makes, up to a bound.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len()) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        self.room = room;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// For the value of a `Content-Encoding`, in small letters; `None` if a coding in it is not known.
    pub(crate) fn new(coding: &str) -> Option<Self> {
        let names = coding.split(',').map(str::trim);
        let layers: Option<Vec<Layer>> = names
            .rev()
            .filter(|name| !matches!(*name, "" | "identity"))
            .map(Layer::of)
            .collect();
        Some(Self {
            layers: layers.filter(|layers| layers.len() <= LAYERS_MAX)?,
            taken: 0,
            decoded: 0,
            held: Some(Vec::new()),
        })
    }

    /// Whether there is nothing to undo.
    pub(crate) fn is_plain(&self) -> bool {
        self.layers.is_empty()
    }

    /// Takes the next coded bytes; why the rest of the body cannot be decoded, if so. What was held of it is given as it is then, and it goes on
    /// with these bytes.
    pub(crate) fn push<'a>(
        &mut self,
        input: &'a [u8],
        bounds: Bounds<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), (Doubt, &'a [u8])> {
        for (number, piece) in input.chunks(PIECE).enumerate() {
            if let Some(held) = &mut self.held {
                held.extend_from_slice(piece);
            }
            let Err(doubt) = self.through(piece, false, bounds, &mut take) else {
                continue;
            };
            let from = match self.held.take() {
                Some(held) => {
                    take(&held);
                    (number + 1) * PIECE
                }
                None => number * PIECE,
            };
            return Err((doubt, input.get(from..).unwrap_or_default()));
        }
        Ok(())
    }

    /// The end of the body.
    pub(crate) fn finish(&mut self, bounds: Bounds<'_>, mut take: impl FnMut(&[u8])) -> Result<(), Doubt> {
        // Many an answer names a coding and has no body.
        if self.taken == 0 {
            return Ok(());
        }
        let finished = self.through(&[], true, bounds, &mut take);
        if let Some(held) = self.held.take().filter(|_| finished.is_err()) {
            take(&held);
        }
        finished
    }

    /// Bytes that the decoders keep, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.layers.iter().map(Layer::memory).sum::<usize>() + self.held.as_ref().map_or(0, Vec::capacity)
    }

    fn through(
        &mut self,
        piece: &[u8],
        last: bool,
        bounds: Bounds<'_>,
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), Doubt> {
        let limits = bounds.limits;
        self.taken += piece.len() as u64;
        let allowed = limits.unpacked(self.taken);
        let room = allowed.saturating_sub(self.decoded);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(PIECE_UNPACKED);
        let mut bytes = piece.to_vec();
        for layer in &mut self.layers {
            layer.begin(&bytes, bounds.room)?;
            // A decoder that panics has met what it cannot decode.
            let feed = catch_unwind(AssertUnwindSafe(|| layer.feed(&bytes, last, room)));
            bytes = feed.unwrap_or(Err(Doubt::Undecodable))?;
        }
        if self.memory() > bounds.room {
            return Err(Doubt::Oversized);
        }
        self.decoded += bytes.len() as u64;
        if !bytes.is_empty() || self.held.as_ref().is_some_and(|held| held.len() > HELD_MAX) {
            self.held = None;
        }
        take(&bytes);
        Ok(())
    }
}

impl Layer {
    fn of(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Inflate(inflate::Decoder::gzip())),
            "deflate" => Some(Self::Inflate(inflate::Decoder::deflate())),
            "br" => Some(Self::Brotli(None, DEFLATE)),
            "zstd" => Some(Self::Zstd(Box::default())),
            _ => None,
        }
    }

    /// Makes what the first bytes need.
    fn begin(&mut self, bytes: &[u8], room: usize) -> Result<(), Doubt> {
        let (Self::Brotli(decoder @ None, memory), Some(first)) = (self, bytes.first()) else {
            return Ok(());
        };
        *memory = brotli_window(*first) + DEFLATE;
        if *memory > room {
            return Err(Doubt::Oversized);
        }
        *decoder = Some(Box::new(DecompressorWriter::new(Sink::default(), PIECE)));
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8], last: bool, room: usize) -> Result<Vec<u8>, Doubt> {
        let Some(sink) = self.sink() else {
            return Ok(Vec::new());
        };
        sink.room = room;
        let fed = match self {
            Self::Inflate(decoder) => decoder.write_all(bytes),
            Self::Brotli(decoder, _) => decoder.as_mut().map_or(Ok(()), |decoder| decoder.write_all(bytes)),
            Self::Zstd(decoder) => decoder.write_all(bytes),
        };
        let ended = fed.and_then(|()| match self {
            Self::Inflate(decoder) if last => decoder.end(),
            Self::Brotli(Some(decoder), _) if last => decoder.close(),
            Self::Zstd(decoder) if last => decoder.end(),
            _ => Ok(()),
        });
        ended.map_err(|error| doubt(&error))?;
        Ok(self
            .sink()
            .map(|sink| std::mem::take(&mut sink.bytes))
            .unwrap_or_default())
    }

    fn sink(&mut self) -> Option<&mut Sink> {
        match self {
            Self::Inflate(decoder) => Some(&mut decoder.sink),
            Self::Brotli(decoder, _) => decoder.as_mut().map(|decoder| decoder.get_mut()),
            Self::Zstd(decoder) => Some(&mut decoder.sink),
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Inflate(_) => DEFLATE,
            Self::Brotli(_, memory) => *memory,
            Self::Zstd(decoder) => decoder.memory(),
        }
    }
}

/// Bytes of the window, by the first byte of a stream (RFC 7932, 9.1).
fn brotli_window(first: u8) -> usize {
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, bits) => 8 + u32::from(bits),
        (_, bits, _) => 17 + u32::from(bits),
    };
    1 << bits
}

/// The sink's error is of a kind that no decoder's is.
fn doubt(error: &io::Error) -> Doubt {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Doubt::Expansion,
        _ => Doubt::Undecodable,
    }
}
