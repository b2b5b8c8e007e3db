//! Compressed bodies: decoded within bounds, redacted, and given out decoded.

mod inflate;
mod zstd;

use std::io::{self, Write};
use std::sync::Arc;

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;

use crate::engine::Engine;
use crate::finding::{Finding, Reason, WITHHELD_LABEL};
use crate::quiet::caught;
use crate::redactor::Redactor;

/// More encodings on top of each other than this are nobody's ordinary traffic.
const LAYERS_MAX: usize = 3;
/// Compressed input is taken in pieces of this many bytes, so that a bomb is noticed before it is unpacked.
const PIECE: usize = 4096;

/// How much a body may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Decoded bytes in all.
    pub bytes: u64,
    /// Decoded bytes for each encoded one, beyond the first megabyte.
    pub ratio: u64,
}

impl Default for BodyLimits {
    /// 64 MiB, and 200 to one.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            ratio: 200,
        }
    }
}

/// A body with a `Content-Encoding` (RFC 9110, 8.4) through an engine. What comes out has none: the header goes, and so does the length.
///
/// What cannot be decoded, or only to more than the limits, is withheld from there on, with a [`Reason`] among the findings. Positions in
/// findings are in the decoded body.
///
/// ```
/// use std::sync::Arc;
/// use aa_redact::{BodyLimits, BodyRedactor, Engine, Options};
///
/// # fn main() -> Result<(), aa_redact::EngineError> {
/// let engine = Arc::new(Engine::new(&Options::default())?);
/// let mut body = BodyRedactor::new(&engine, "compress", BodyLimits::default());
/// assert_eq!(body.push(b"what this is nobody knows"), b"[REDACTED:withheld]");
/// assert_eq!(body.finish(), b"");
/// assert_eq!(body.take_findings()[0].reason.map(|reason| reason.code()), Some("unknown-encoding"));
/// # Ok(())
/// # }
/// ```
pub struct BodyRedactor {
    layers: Vec<Layer>,
    redactor: Redactor,
    limits: BodyLimits,
    taken: u64,
    decoded: u64,
    failed: Option<Reason>,
    told: bool,
    output: Vec<u8>,
    findings: Vec<Finding>,
}

impl std::fmt::Debug for BodyRedactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BodyRedactor({} bytes of {} taken)", self.decoded, self.taken)
    }
}

/// One encoding.
enum Layer {
    Gzip(MultiGzDecoder<Sink>),
    Deflate(inflate::Decoder),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(Box<zstd::Decoder>),
}

/// Takes what a decoder makes, up to a bound.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    room: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
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

impl BodyRedactor {
    /// A new body with the value of its `Content-Encoding`, which may be empty.
    #[must_use]
    pub fn new(engine: &Arc<Engine>, content_encoding: &str, limits: BodyLimits) -> Self {
        let names = content_encoding.split(',').map(|name| name.trim().to_ascii_lowercase());
        let layers: Option<Vec<Layer>> = names
            .rev()
            .filter(|name| !name.is_empty() && name != "identity")
            .map(|name| Layer::of(&name))
            .collect();
        let layers = layers.filter(|layers| layers.len() <= LAYERS_MAX);
        Self {
            failed: layers.is_none().then_some(Reason::UnknownEncoding),
            layers: layers.unwrap_or_default(),
            redactor: Redactor::new(engine),
            limits,
            taken: 0,
            decoded: 0,
            told: false,
            output: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Takes the next encoded bytes; what is settled by them, decoded and redacted.
    pub fn push(&mut self, input: &[u8]) -> &[u8] {
        self.output.clear();
        for piece in input.chunks(PIECE) {
            self.taken += piece.len() as u64;
            self.through(piece, false);
        }
        &self.output
    }

    /// The end of the body.
    pub fn finish(&mut self) -> &[u8] {
        self.output.clear();
        self.through(&[], true);
        if self.failed.is_none() {
            self.output.extend_from_slice(self.redactor.finish());
            self.findings.extend(self.redactor.take_findings());
        }
        &self.output
    }

    /// Takes the findings since they were last taken.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    fn through(&mut self, piece: &[u8], last: bool) {
        let allowed = (1 << 20) + self.taken.saturating_mul(self.limits.ratio);
        let room = allowed.min(self.limits.bytes).saturating_sub(self.decoded);
        if self.failed.is_none() {
            // A decoder that panics has met what it cannot decode.
            let decode = || decoded(&mut self.layers, piece, room, last);
            match caught(decode).unwrap_or(Err(Reason::Undecodable)) {
                Ok(bytes) => {
                    self.decoded += bytes.len() as u64;
                    self.output.extend_from_slice(self.redactor.push(&bytes));
                    self.findings.extend(self.redactor.take_findings());
                }
                Err(reason) => self.failed = Some(reason),
            }
        }
        if let Some(reason) = self.failed.filter(|_| !self.told) {
            self.told = true;
            self.output.extend_from_slice(WITHHELD_LABEL);
            let held = self.redactor.held() as u64;
            self.findings
                .push(Finding::withheld(self.decoded - held, self.decoded, reason));
        }
    }
}

fn decoded(layers: &mut [Layer], piece: &[u8], room: u64, last: bool) -> Result<Vec<u8>, Reason> {
    let mut bytes = piece.to_vec();
    for layer in layers {
        bytes = layer.feed(&bytes, room)?;
        if last {
            bytes.extend(layer.end(room)?);
        }
    }
    // Without layers nothing else bounds it.
    if bytes.len() as u64 > room {
        return Err(Reason::DecodeLimit);
    }
    Ok(bytes)
}

impl Layer {
    fn of(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip(MultiGzDecoder::new(Sink::default()))),
            "deflate" => Some(Self::Deflate(inflate::Decoder::default())),
            "br" => Some(Self::Brotli(Box::new(DecompressorWriter::new(Sink::default(), PIECE)))),
            "zstd" => Some(Self::Zstd(Box::default())),
            _ => None,
        }
    }

    fn feed(&mut self, bytes: &[u8], room: u64) -> Result<Vec<u8>, Reason> {
        self.sink().room = room;
        match self {
            Self::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Self::Deflate(decoder) => decoder.write_all(bytes),
            Self::Brotli(decoder) => decoder.write_all(bytes),
            Self::Zstd(decoder) => decoder.write_all(bytes),
        }
        .map_err(|error| reason(&error))?;
        Ok(self.take())
    }

    fn end(&mut self, room: u64) -> Result<Vec<u8>, Reason> {
        self.sink().room = room;
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.end(),
            Self::Brotli(decoder) => decoder.close(),
            Self::Zstd(decoder) => decoder.end(),
        }
        .map_err(|error| reason(&error))?;
        Ok(self.take())
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => &mut decoder.sink,
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => &mut decoder.sink,
        }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sink().bytes)
    }
}

/// The sink's error is of a kind that no decoder's is.
fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Reason::DecodeLimit,
        _ => Reason::Undecodable,
    }
}
