//! Messages of permessage-deflate (RFC 7692), inflated whole and within bounds.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::finding::Reason;
use crate::quiet::caught;

/// What a sender leaves out at the end of a message (7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// How far back deflate refers, in bytes (RFC 1951).
const WINDOW: usize = 32 << 10;
/// Inflated bytes for each one of a message, beyond the first megabyte.
const RATIO_MAX: usize = 200;
const STEP: usize = 16 << 10;

/// One direction's decompressor.
pub(super) struct Inflater {
    state: Box<DecompressorOxide>,
    /// Inflated bytes that the next message may refer to.
    window: Vec<u8>,
    /// Messages refer to those before them (7.1.1).
    takeover: bool,
    /// A message could not be inflated, so that nobody knows what the next refers to.
    lost: bool,
}

impl Inflater {
    /// What the server agreed to in `Sec-WebSocket-Extensions`, for the direction of which the parameter is named; `None` without the extension.
    pub(super) fn agreed(extensions: &str, no_takeover: &str) -> Option<Self> {
        let mut offers = extensions.split(',').map(|offer| offer.split(';').map(str::trim));
        let mut parameters = offers.find_map(|mut offer| {
            let name = offer.next()?;
            name.eq_ignore_ascii_case("permessage-deflate").then_some(offer)
        })?;
        Some(Self {
            state: Box::default(),
            window: Vec::new(),
            takeover: !parameters.any(|parameter| parameter.eq_ignore_ascii_case(no_takeover)),
            lost: false,
        })
    }

    /// A message, inflated to at most so many bytes.
    pub(super) fn message(&mut self, payload: &[u8], most: usize) -> Result<Vec<u8>, Reason> {
        if self.lost {
            return Err(Reason::Undecodable);
        }
        let room = most.min((1 << 20) + payload.len().saturating_mul(RATIO_MAX));
        // A decompressor that panics has met what it cannot inflate.
        let inflated = caught(|| self.inflate(payload, room)).unwrap_or(Err(Reason::Undecodable));
        if inflated.is_err() || !self.takeover {
            self.lost = self.takeover;
            self.window.clear();
            self.state.init();
        }
        inflated
    }

    fn inflate(&mut self, payload: &[u8], room: usize) -> Result<Vec<u8>, Reason> {
        let from = self.window.len();
        self.feed(payload, from + room)?;
        let to = self.window.len();
        self.feed(&TAIL, from + room)?;
        // Where it is no more than the end of a block, the message was all there.
        if self.window.len() != to {
            return Err(Reason::Undecodable);
        }
        let message = self.window.get(from..).unwrap_or_default().to_vec();
        self.window.drain(..to.saturating_sub(WINDOW));
        Ok(message)
    }

    /// Inflates behind what is in the window already, up to a length of it.
    fn feed(&mut self, mut input: &[u8], most: usize) -> Result<(), Reason> {
        let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        loop {
            let at = self.window.len();
            // One byte beyond what is allowed tells that there is more.
            self.window.resize((at + STEP).min(most + 1), 0);
            let (status, taken, made) = decompress(&mut self.state, input, &mut self.window, at, flags);
            self.window.truncate(at + made);
            input = input.get(taken..).unwrap_or_default();
            if self.window.len() > most {
                return Err(Reason::DecodeLimit);
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(()),
                // The last block of a sender that ends its stream with each message; the next begins another (7.2.3.4).
                TINFLStatus::Done => {
                    self.state.init();
                    if input.is_empty() {
                        return Ok(());
                    }
                }
                _ => return Err(Reason::Undecodable),
            }
        }
    }
}
