//! Content codings (RFC 9110, 8.4) undone, piece by piece and within bounds.

mod deflate;

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;

use crate::doubt::Doubt;
use crate::limits::Limits;

/// More codings on top of each other than this are nobody's ordinary traffic.
const LAYERS_MAX: usize = 3;
/// Coded input is taken in pieces of this many bytes, so that a bomb is noticed before it is unpacked.
const PIECE: usize = 1024;
/// What one of them may unpack to.
const PIECE_UNPACKED: usize = 4 << 20;

/// One body's decoders.
pub(crate) struct Decoder {
    layers: Vec<Layer>,
    taken: u64,
    decoded: u64,
}

enum Layer {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(deflate::Decoder),
    Brotli(Box<DecompressorWriter<Sink>>),
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
        })
    }

    /// Whether there is nothing to undo.
    pub(crate) fn is_plain(&self) -> bool {
        self.layers.is_empty()
    }

    /// Whether there was a body at all.
    pub(crate) fn has_begun(&self) -> bool {
        self.taken > 0
    }

    /// Takes the next coded bytes; why the rest of the body cannot be decoded, if so, and from which of these bytes on.
    pub(crate) fn push(
        &mut self,
        input: &[u8],
        limits: &Limits,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), (Doubt, usize)> {
        for (number, piece) in input.chunks(PIECE).enumerate() {
            self.through(piece, false, limits, &mut take)
                .map_err(|doubt| (doubt, number * PIECE))?;
        }
        Ok(())
    }

    /// The end of the body.
    pub(crate) fn finish(&mut self, limits: &Limits, mut take: impl FnMut(&[u8])) -> Result<(), Doubt> {
        self.through(&[], true, limits, &mut take)
    }

    /// What the decoders keep, roughly: their windows.
    pub(crate) fn memory(&self) -> usize {
        self.layers.iter().map(Layer::memory).sum()
    }

    fn through(
        &mut self,
        piece: &[u8],
        last: bool,
        limits: &Limits,
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), Doubt> {
        self.taken += piece.len() as u64;
        let allowed = (1 << 20) + self.taken.saturating_mul(limits.body_ratio);
        let room = allowed.min(limits.body_bytes).saturating_sub(self.decoded);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(PIECE_UNPACKED);
        let mut bytes = piece.to_vec();
        for layer in &mut self.layers {
            bytes = layer.feed(&bytes, last, room)?;
        }
        self.decoded += bytes.len() as u64;
        take(&bytes);
        Ok(())
    }
}

impl Layer {
    fn of(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip(Box::new(MultiGzDecoder::new(Sink::default())))),
            "deflate" => Some(Self::Deflate(deflate::Decoder::default())),
            "br" => Some(Self::Brotli(Box::new(DecompressorWriter::new(Sink::default(), PIECE)))),
            _ => None,
        }
    }

    fn feed(&mut self, bytes: &[u8], last: bool, room: usize) -> Result<Vec<u8>, Doubt> {
        self.sink().room = room;
        let fed = match self {
            Self::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Deflate(decoder) => decoder.write_all(bytes),
            Self::Brotli(decoder) => decoder.write_all(bytes),
        };
        let ended = fed.and_then(|()| match self {
            Self::Gzip(decoder) if last => decoder.try_finish(),
            Self::Deflate(decoder) if last => decoder.end(),
            Self::Brotli(decoder) if last => decoder.close(),
            _ => Ok(()),
        });
        ended.map_err(|error| doubt(&error))?;
        Ok(std::mem::take(&mut self.sink().bytes))
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => &mut decoder.sink,
            Self::Brotli(decoder) => decoder.get_mut(),
        }
    }

    fn memory(&self) -> usize {
        match self {
            // The window, the output buffer of flate2, and its tables.
            Self::Gzip(_) | Self::Deflate(_) => 80 << 10,
            // The largest window there is (RFC 7932, 9.1), and its tables.
            Self::Brotli(_) => 17 << 20,
        }
    }
}

/// The sink's error is of a kind that no decoder's is.
fn doubt(error: &io::Error) -> Doubt {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Doubt::Expansion,
        _ => Doubt::Undecodable,
    }
}
