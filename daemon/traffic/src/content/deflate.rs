//! Deflate as HTTP has it: with the head of RFC 1950, or, as many send it, without.

use std::io::{self, Write};

use flate2::{Decompress, FlushDecompress, Status};

use super::Sink;

#[derive(Default)]
pub(super) struct Decoder {
    /// Not before the first byte is there.
    state: Option<Decompress>,
    ended: bool,
    pub(super) sink: Sink,
}

impl Decoder {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(first) = bytes.first() else { return Ok(()) };
        // The head names method 8 and a window of at most 32 KiB.
        let headed = first & 0x0f == 8 && first >> 4 <= 7;
        let state = self.state.get_or_insert_with(|| Decompress::new(headed));
        let mut buffer = [0; 8 << 10];
        let mut rest = bytes;
        while !self.ended {
            let (taken, made) = (state.total_in(), state.total_out());
            let status = state
                .decompress(rest, &mut buffer, FlushDecompress::None)
                .map_err(io::Error::other)?;
            let taken = usize::try_from(state.total_in() - taken).unwrap_or(rest.len());
            let made = usize::try_from(state.total_out() - made).unwrap_or(0);
            rest = rest.get(taken..).unwrap_or_default();
            self.sink.write_all(buffer.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            if taken == 0 && made == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.ended || self.state.is_none() {
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
