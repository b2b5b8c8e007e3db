//! One frame of RFC 6455, 5.2, from bytes and to bytes.

pub(super) const CONTINUATION: u8 = 0;
pub(super) const CLOSE: u8 = 8;
const RESERVED: u8 = 0x70;
/// The bit of a compressed message (RFC 7692, 6).
pub(super) const COMPRESSED: u8 = 0x40;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const PONG: u8 = 10;
/// Payload of a control frame; a longer one has its length behind one of two marks.
const CONTROL_MAX: usize = 125;
const TWO_BYTES: u8 = 0x7e;
const EIGHT_BYTES: u8 = 0x7f;

/// What a frame is, apart from its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: u8,
    /// Which of the bits that extensions use are set.
    pub(super) reserved: u8,
    /// What its payload is masked with, as a client's are.
    pub(super) key: Option<[u8; 4]>,
}

/// A frame. Its `Debug` is not derived: it holds bytes.
pub(super) struct Frame {
    pub(super) head: Head,
    /// It is the last of its message.
    pub(super) last: bool,
    /// Without the mask.
    pub(super) payload: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed,
    TooLong,
}

impl Head {
    pub(super) fn is_control(self) -> bool {
        self.opcode >= CLOSE
    }
}

impl Frame {
    /// The frame that bytes begin with, and its length; `None` if it is not all there.
    pub(super) fn read(bytes: &[u8], most: usize) -> Result<Option<(Self, usize)>, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (last, opcode, masked) = (first & 0x80 != 0, first & 0x0f, second & 0x80 != 0);
        if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE..=PONG) {
            return Err(Fault::Malformed);
        }
        let Some((length, rest)) = length(second & EIGHT_BYTES, rest)? else {
            return Ok(None);
        };
        let control = opcode >= CLOSE;
        if control && (length > CONTROL_MAX as u64 || !last || first & RESERVED != 0) {
            return Err(Fault::Malformed);
        }
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= most)
            .ok_or(Fault::TooLong)?;
        let (key, rest) = match rest.split_first_chunk::<4>() {
            Some((key, rest)) if masked => (Some(*key), rest),
            None if masked => return Ok(None),
            _ => (None, rest),
        };
        let Some((payload, behind)) = rest.split_at_checked(length) else {
            return Ok(None);
        };
        let mut payload = payload.to_vec();
        mask(&mut payload, key);
        let head = Head {
            opcode,
            reserved: first & RESERVED,
            key,
        };
        Ok(Some((Self { head, last, payload }, bytes.len() - behind.len())))
    }
}

/// The payload's length, from its seven bits and what follows; in the shortest form, as it must be.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    let found = match short {
        TWO_BYTES => rest
            .split_first_chunk::<2>()
            .map(|(bytes, rest)| (u64::from(u16::from_be_bytes(*bytes)), rest)),
        EIGHT_BYTES => rest
            .split_first_chunk::<8>()
            .map(|(bytes, rest)| (u64::from_be_bytes(*bytes), rest)),
        _ => Some((u64::from(short), rest)),
    };
    match (short, found) {
        (TWO_BYTES, Some((0..126, _))) | (EIGHT_BYTES, Some((0..=0xffff | 0x8000_0000_0000_0000.., _))) => {
            Err(Fault::Malformed)
        }
        _ => Ok(found),
    }
}

fn mask(payload: &mut [u8], key: Option<[u8; 4]>) {
    if let Some(key) = key {
        for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    }
}

/// A whole message, or a control frame, as one frame.
pub(super) fn write(head: Head, payload: &[u8], output: &mut Vec<u8>) {
    output.push(0x80 | head.opcode);
    let masked = if head.key.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => output.push(masked | length),
        (_, Ok(length)) => {
            output.push(masked | TWO_BYTES);
            output.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            output.push(masked | EIGHT_BYTES);
            output.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    output.extend_from_slice(head.key.as_ref().map_or(&[], |key| key.as_slice()));
    let from = output.len();
    output.extend_from_slice(payload);
    mask(output.get_mut(from..).unwrap_or_default(), head.key);
}
