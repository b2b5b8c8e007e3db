//! Frames of a WebSocket (RFC 6455, 5) with compressed messages (RFC 7692), as they come.

mod inflate;

use inflate::Inflate;

use crate::doubt::Doubt;
use crate::limits::Limits;

const CLOSE: u8 = 8;
const CONTINUATION: u8 = 0;
/// The bit of a compressed message (RFC 7692, 6), and of the other two extensions.
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
/// Payload is unmasked in pieces of this many bytes.
const PIECE: usize = 4096;

/// What a stream of frames has next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Of a message, unmasked and inflated.
    Data(&'a [u8]),
    /// The message ends.
    End,
    /// No frame that anybody could find.
    Unread(&'a [u8]),
    Doubt(Doubt),
}

/// One direction.
#[derive(Default)]
pub(crate) struct Frames {
    /// Of a head, what is there.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// A message of several frames is under way, and whether it is compressed.
    message: Option<bool>,
    inflate: Option<Inflate>,
    /// Nobody knows where the next frame begins.
    lost: bool,
}

/// A frame of which the payload is coming.
#[derive(Clone, Copy)]
struct Frame {
    left: u64,
    key: [u8; 4],
    /// Where in the key the next byte is.
    at: usize,
    is_last: bool,
    is_control: bool,
}

impl Frames {
    /// With the extensions that the server agreed to (`Sec-WebSocket-Extensions`), for the direction of which the parameter is named.
    pub(crate) fn new(extensions: &str, no_takeover: &str) -> Self {
        Self {
            inflate: Inflate::agreed(extensions, no_takeover),
            ..Self::default()
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], limits: &Limits, mut take: impl FnMut(Part<'_>)) {
        while !self.lost {
            let Some(mut frame) = self.frame else {
                let Some((byte, rest)) = bytes.split_first() else {
                    return;
                };
                self.head.push(*byte);
                bytes = rest;
                self.begin(&mut take);
                continue;
            };
            if frame.left > 0 {
                let here = usize::try_from(frame.left).unwrap_or(usize::MAX).min(PIECE);
                let (piece, rest) = bytes.split_at_checked(here).unwrap_or((bytes, &[]));
                if piece.is_empty() {
                    return;
                }
                bytes = rest;
                self.payload(&mut frame, piece, limits, &mut take);
                self.frame = Some(frame);
            }
            if frame.left == 0 {
                self.frame = None;
                self.end(frame, limits, &mut take);
            }
        }
        if !bytes.is_empty() {
            take(Part::Unread(bytes));
        }
    }

    /// Bytes are missing.
    pub(crate) fn gap(&mut self, missing: u64) {
        match &mut self.frame {
            Some(frame) if missing > 0 && missing < frame.left => {
                frame.left -= missing;
                frame.at = (frame.at + usize::try_from(missing % 4).unwrap_or(0)) % 4;
                if let Some(inflate) = self.inflate.as_mut().filter(|_| !frame.is_control) {
                    inflate.lose();
                }
            }
            _ => self.lost = true,
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.head.capacity() + self.inflate.as_ref().map_or(0, Inflate::memory)
    }

    /// Whether the head is whole, which makes a frame of it.
    fn begin(&mut self, take: &mut impl FnMut(Part<'_>)) {
        let [first, second, rest @ ..] = self.head.as_slice() else {
            return;
        };
        let (opcode, short, is_masked) = (first & 15, second & 0x7f, second & 0x80 != 0);
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < extended + if is_masked { 4 } else { 0 } {
            return;
        }
        let (length, key) = rest.split_at_checked(extended).unwrap_or_default();
        let left = match extended {
            0 => u64::from(short),
            _ => length.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        let (is_last, is_control) = (first & 0x80 != 0, opcode >= CLOSE);
        let is_compressed = first & COMPRESSED != 0;
        let continues = self.message.is_some();
        let is_sound = match opcode {
            CONTINUATION => continues && !is_compressed,
            1 | 2 => !continues && (!is_compressed || self.inflate.is_some()),
            8..=10 => is_last && left < 126 && !is_compressed,
            _ => false,
        };
        if !is_sound || first & RESERVED != 0 || left >> 63 != 0 {
            self.lost = true;
            take(Part::Doubt(Doubt::Malformed));
            return;
        }
        if !is_control && !continues {
            self.message = Some(is_compressed);
        }
        self.frame = Some(Frame {
            left,
            key: key.first_chunk().copied().unwrap_or_default(),
            at: 0,
            is_last,
            is_control,
        });
        self.head.clear();
    }

    fn payload(&mut self, frame: &mut Frame, piece: &[u8], limits: &Limits, take: &mut impl FnMut(Part<'_>)) {
        frame.left -= piece.len() as u64;
        if frame.is_control {
            return;
        }
        let mut plain = [0; PIECE];
        let plain = plain.get_mut(..piece.len()).unwrap_or_default();
        plain.copy_from_slice(piece);
        if frame.key != [0; 4] {
            let mut key = frame.key;
            key.rotate_left(frame.at);
            for (byte, key) in plain.iter_mut().zip(key.iter().cycle()) {
                *byte ^= key;
            }
        }
        frame.at = (frame.at + piece.len()) % 4;
        match (self.message, &mut self.inflate) {
            (Some(true), Some(inflate)) => inflate.push(plain, limits, take),
            _ => take(Part::Data(plain)),
        }
    }

    fn end(&mut self, frame: Frame, limits: &Limits, take: &mut impl FnMut(Part<'_>)) {
        if frame.is_control || !frame.is_last {
            return;
        }
        if let (Some(true), Some(inflate)) = (self.message, &mut self.inflate) {
            inflate.end(limits, take);
        }
        self.message = None;
        take(Part::End);
    }
}
