//! What the kernel programs wrote into a ring.

use aa_bpf::record::{RingName, decode, plaintext};

/// A record of a ring: nothing in it lies outside of the bytes.
pub fn ring_record(bytes: &[u8]) -> bool {
    let Ok(record) = decode(RingName::Decisions, bytes) else {
        return false;
    };
    let names = record.executable.len() + record.object.len() + record.second.len();
    assert!(names + record.stack.len() * 8 <= bytes.len(), "{record:?}");
    true
}

/// A record of the plaintext ring: its bytes are those at its end.
pub fn plaintext_record(bytes: &[u8]) -> bool {
    let Ok(piece) = plaintext::decode(bytes) else {
        return false;
    };
    assert!(piece.bytes.len() < bytes.len(), "{piece:?}");
    true
}
