//! What the processes of aa-sensord say to each other and to their users.

use std::fmt::Debug;

use aa_wire::api::{Answer, Ask};
use aa_wire::frame::{Decoder, Message, encode};
use aa_wire::sensor::{FromSensor, ToSensor};
use aa_wire::{EscapedBytes, Event, SessionId, Timestamp, text};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Frames between sensor and gateway: however they are cut on the way they are the same messages, and each comes back
/// from its own encoding.
pub fn link_frames(bytes: &[u8]) -> bool {
    let Some((cut, stream)) = bytes.split_first() else {
        return false;
    };
    let chunk = usize::from(*cut).max(1);
    let asked = frames::<ToSensor>(stream, chunk);
    frames::<FromSensor>(stream, chunk) || asked
}

fn frames<M: Message + Debug + PartialEq>(stream: &[u8], chunk: usize) -> bool {
    let whole = read::<M>([stream].into_iter());
    assert_eq!(whole, read::<M>(stream.chunks(chunk)), "cut every {chunk} bytes");
    for message in &whole {
        if let Ok(frame) = encode(message) {
            assert_eq!(read::<M>([frame.as_slice()].into_iter()).first(), Some(message));
        }
    }
    !whole.is_empty()
}

/// The messages until the bytes are no frame.
fn read<'a, M: Message>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<M> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}

/// Lines of the control socket, both ways, and events as the audit log and exports hold them.
pub fn control_lines(bytes: &[u8]) -> bool {
    let mut known = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        known |= json::<Ask>(line) | json::<Answer>(line) | json::<Event>(line);
    }
    known
}

fn json<T: Serialize + DeserializeOwned + Debug + PartialEq>(line: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(line) else {
        return false;
    };
    let again = serde_json::to_vec(&value).and_then(|text| serde_json::from_slice::<T>(&text));
    assert_eq!(again.ok().as_ref(), Some(&value));
    true
}

/// Names from the kernel as text, and the texts that are numbers.
pub fn scalars(bytes: &[u8]) -> bool {
    let shown = EscapedBytes::from_bytes(bytes);
    assert_eq!(shown.to_bytes(), bytes);
    assert!(!shown.as_str().chars().any(char::is_control), "{shown:?}");
    let Ok(written) = std::str::from_utf8(bytes) else {
        return false;
    };
    assert_eq!(text::escape(bytes), shown.as_str());
    let time = written.parse::<Timestamp>().ok();
    assert_eq!(time.and_then(|time| time.to_string().parse().ok()), time);
    let session = written.parse::<SessionId>().ok();
    assert_eq!(session.and_then(|session| session.to_string().parse().ok()), session);
    time.is_some() || session.is_some()
}
