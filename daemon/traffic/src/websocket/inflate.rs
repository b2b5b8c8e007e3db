use flate2::{Decompress, FlushDecompress, Status};

use super::Part;
use crate::doubt::Doubt;
use crate::limits::Limits;

/// What a sender leaves out at the end of a message (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
const STEP: usize = 8 << 10;

/// The decompressor of one direction.
pub(super) struct Inflate {
    state: Decompress,
    /// Messages refer to those before them (7.1.1).
    takeover: bool,
    /// A message could not be inflated.
    lost: bool,
    /// Bytes of the message, before and after.
    taken: u64,
    made: u64,
    buffer: Box<[u8]>,
}

impl Inflate {
    pub(super) fn agreed(extensions: &str, no_takeover: &str) -> Option<Self> {
        let mut offers = extensions.split(',').map(|offer| offer.split(';').map(str::trim));
        let mut parameters = offers.find_map(|mut offer| {
            let name = offer.next()?;
            name.eq_ignore_ascii_case("permessage-deflate").then_some(offer)
        })?;
        Some(Self {
            state: Decompress::new(false),
            takeover: !parameters.any(|parameter| parameter.eq_ignore_ascii_case(no_takeover)),
            lost: false,
            taken: 0,
            made: 0,
            buffer: vec![0; STEP].into(),
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8], limits: &Limits, take: &mut impl FnMut(Part<'_>)) {
        self.taken += bytes.len() as u64;
        if self.lost {
            return;
        }
        if let Err(doubt) = self.inflate(bytes, limits, take) {
            self.lost = true;
            take(Part::Doubt(doubt));
        }
    }

    /// The message ends. Where those behind it refer to it, and it could not be read, they cannot either.
    pub(super) fn end(&mut self, limits: &Limits, take: &mut impl FnMut(Part<'_>)) {
        self.push(&TAIL, limits, take);
        if !self.takeover {
            self.state.reset(false);
            self.lost = false;
        }
        (self.taken, self.made) = (0, 0);
    }

    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&self.state) + self.buffer.len() + (48 << 10)
    }

    fn inflate(&mut self, mut rest: &[u8], limits: &Limits, take: &mut impl FnMut(Part<'_>)) -> Result<(), Doubt> {
        loop {
            let (taken, made) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(rest, &mut self.buffer, FlushDecompress::None)
                .map_err(|_| Doubt::Undecodable)?;
            let taken = usize::try_from(self.state.total_in() - taken).unwrap_or(rest.len());
            let made = usize::try_from(self.state.total_out() - made).unwrap_or(0);
            rest = rest.get(taken..).unwrap_or_default();
            self.made += made as u64;
            if self.made > limits.unpacked(self.taken) {
                return Err(Doubt::Expansion);
            }
            if made > 0 {
                take(Part::Data(self.buffer.get(..made).unwrap_or_default()));
            }
            // Some end their stream with each message; the next begins another (7.2.3.4).
            if status == Status::StreamEnd {
                self.state.reset(false);
                if rest.is_empty() {
                    return Ok(());
                }
            } else if made < STEP && rest.is_empty() || taken == 0 && made == 0 {
                return Ok(());
            }
        }
    }
}
