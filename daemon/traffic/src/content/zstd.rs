//! Zstandard (RFC 8878) block by block, so that no more is unpacked at once than a block holds.

use std::io::{self, Write};

use ruzstd::decoding::FrameDecoder;

use super::Sink;

/// The window that RFC 9659 allows in HTTP.
const WINDOW_MAX: u64 = 8 << 20;
const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;

pub(super) struct Decoder {
    frame: FrameDecoder,
    step: Step,
    pending: Vec<u8>,
    checksum: bool,
    made: u64,
    pub(super) sink: Sink,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    Block,
    Checksum,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            frame: FrameDecoder::new(),
            step: Step::Header,
            pending: Vec::new(),
            checksum: false,
            made: 0,
            sink: Sink::default(),
        }
    }
}

impl Decoder {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(length) = self.next(used) {
            let part = self.pending.get(used..used + length).unwrap_or_default();
            used += length;
            if self.step == Step::Header {
                self.checksum = part.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
                self.frame = FrameDecoder::new();
                self.frame.set_max_window_size(WINDOW_MAX);
            }
            let last = self.step == Step::Block && part.first().is_some_and(|head| head & 1 != 0);
            self.frame.decode_from_to(part, &mut []).map_err(io::Error::other)?;
            self.drain()?;
            self.step = match (self.step, last, self.checksum) {
                (Step::Checksum, ..) | (_, true, false) => Step::Header,
                (_, true, true) => Step::Checksum,
                (_, false, _) => Step::Block,
            };
        }
        self.pending.drain(..used);
        Ok(())
    }

    /// Bytes of the next part, if they are all here.
    fn next(&self, from: usize) -> Option<usize> {
        let here = self.pending.get(from..)?;
        let length = match self.step {
            Step::Header => frame_header(*here.get(4)?),
            Step::Checksum => CHECKSUM,
            Step::Block => {
                let [a, b, c] = *here.first_chunk::<BLOCK_HEADER>()?;
                let header = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
                // A run has one byte, however long it is.
                BLOCK_HEADER + if (header >> 1) & 3 == 1 { 1 } else { header >> 3 }
            }
        };
        (here.len() >= length).then_some(length)
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8 << 10];
        loop {
            let (_, written) = self.frame.decode_from_to(&[], &mut buffer).map_err(io::Error::other)?;
            if written == 0 {
                return Ok(());
            }
            self.made += written as u64;
            self.sink.write_all(buffer.get(..written).unwrap_or_default())?;
        }
    }

    /// The window grows to what there is; and the tables of a block.
    pub(super) fn memory(&self) -> usize {
        usize::try_from(self.made.min(WINDOW_MAX)).unwrap_or(0) + (256 << 10) + self.pending.capacity()
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.step == Step::Header && self.pending.is_empty() {
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Length of a frame's header, by its descriptor.
fn frame_header(descriptor: u8) -> usize {
    let single = descriptor & 0x20 != 0;
    let size = match descriptor >> 6 {
        0 => usize::from(single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
    5 + usize::from(!single) + dictionary + size
}
