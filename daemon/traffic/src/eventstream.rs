//! Amazon's event stream encoding (`application/vnd.amazon.eventstream`), of which payloads go on.
//!
//! A message is the length of all and of its headers, each four bytes, a checksum, headers, payload, a checksum.

const PRELUDE: usize = 12;
const CHECKSUM: u32 = 4;

/// What a stream has next.
pub(crate) enum Part<'a> {
    /// Of a payload.
    Payload(&'a [u8]),
    /// It ends.
    End,
    /// What follows is not as it should be, and is not read.
    Malformed,
}

#[derive(Default)]
pub(crate) struct EventStream {
    prelude: Vec<u8>,
    message: Option<Message>,
    broken: bool,
}

/// Bytes to come of each part of a message.
#[derive(Clone, Copy)]
struct Message {
    headers: u32,
    payload: u32,
    checksum: u32,
}

impl EventStream {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Part<'_>)) {
        while !bytes.is_empty() && !self.broken {
            let Some(message) = &mut self.message else {
                let missing = PRELUDE - self.prelude.len();
                let (part, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                bytes = rest;
                self.prelude.extend_from_slice(part);
                if self.prelude.len() == PRELUDE {
                    self.message = Message::of(&self.prelude);
                    self.broken = self.message.is_none();
                    self.prelude.clear();
                    if self.broken {
                        take(Part::Malformed);
                    }
                }
                continue;
            };
            let (left, is_payload) = match (&mut message.headers, &mut message.payload) {
                (headers @ 1.., _) => (headers, false),
                (_, payload @ 1..) => (payload, true),
                _ => (&mut message.checksum, false),
            };
            let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            let (part, rest) = bytes.split_at_checked(here).unwrap_or_default();
            bytes = rest;
            *left -= u32::try_from(here).unwrap_or(*left);
            if is_payload {
                take(Part::Payload(part));
            }
            if message.checksum == 0 {
                self.message = None;
                take(Part::End);
            }
        }
    }
}

impl Message {
    fn of(prelude: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = prelude.get(at..).and_then(<[u8]>::first_chunk);
            bytes.copied().map(u32::from_be_bytes)
        };
        let (all, headers) = (number(0)?, number(4)?);
        let rest = u32::try_from(PRELUDE).ok()? + CHECKSUM;
        let payload = all.checked_sub(rest)?.checked_sub(headers)?;
        Some(Self {
            headers,
            payload,
            checksum: CHECKSUM,
        })
    }
}

/// What base64 (RFC 4648, 4) stands for, up to what is none.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        held = (held << 6 | u32::from(digit)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.extend(u8::try_from(held >> bits & 0xff));
        }
    }
    bytes
}
