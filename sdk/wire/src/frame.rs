//! Frames of the sensor protocol: a length (u32, little-endian) and that many bytes of postcard.
//!
//! Pure: bytes in, messages out. File descriptors travel as `SCM_RIGHTS` on the bytes of the frame that announces them
//! ([`crate::sensor::FromSensor::descriptors`]); a reader keeps received descriptors in a queue and takes that many from
//! its front when the announcing message comes out of the decoder.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the length before each body.
pub const HEADER_BYTES: usize = 4;
/// Bound of a body, unless its kind has another.
pub const BODY_LIMIT: usize = 1 << 20;
/// Bound of a body that carries lowered policy tables.
pub const POLICY_BODY_LIMIT: usize = 256 << 20;

/// A message that goes into a frame of its own.
pub trait Message: Serialize + DeserializeOwned {
    /// The largest body of a message that begins with this byte (the number of its variant).
    fn limit(first_byte: u8) -> usize;
}

/// Why bytes are not a frame, or a message does not fit one. A peer that sends such bytes is not to be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame without a body.
    #[error("a frame without a body")]
    Empty,
    /// The length exceeds the bound of the message's kind.
    #[error("a frame of {length} bytes exceeds the limit of {limit}")]
    TooLong {
        /// As announced, or as encoded.
        length: usize,
        /// Of this kind of message.
        limit: usize,
    },
    /// The body is not the message the protocol has here.
    #[error("a frame's body is not a message of the protocol")]
    Malformed,
    /// Bytes are left in the body behind the message.
    #[error("a frame has {0} bytes behind its message")]
    Trailing(usize),
}

/// A message as the bytes of one frame.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER_BYTES]).map_err(|_| FrameError::Malformed)?;
    let (header, body) = frame.split_at_mut_checked(HEADER_BYTES).ok_or(FrameError::Malformed)?;
    let limit = M::limit(*body.first().ok_or(FrameError::Empty)?);
    let length = body.len();
    let announced = u32::try_from(length).ok().filter(|_| length <= limit);
    let announced = announced.ok_or(FrameError::TooLong { length, limit })?;
    header.copy_from_slice(&announced.to_le_bytes());
    Ok(frame)
}

/// Puts frames together from bytes as they arrive. Holds no more than one incomplete frame and what was last pushed.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, or `None` until more bytes come.
    pub fn next_message<M: Message>(&mut self) -> Result<Option<M>, FrameError> {
        let waiting = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(*header)).map_err(|_| FrameError::Malformed)?;
        if length == 0 {
            return Err(FrameError::Empty);
        }
        let Some(first_byte) = rest.first() else {
            return Ok(None);
        };
        let limit = M::limit(*first_byte);
        if length > limit {
            return Err(FrameError::TooLong { length, limit });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, trailing) = postcard::take_from_bytes(body).map_err(|_| FrameError::Malformed)?;
        if !trailing.is_empty() {
            return Err(FrameError::Trailing(trailing.len()));
        }
        self.taken += HEADER_BYTES + length;
        Ok(Some(message))
    }

    /// Whether a frame has begun and not ended: the peer closed too early if it closes now.
    pub fn is_mid_frame(&self) -> bool {
        self.taken < self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
