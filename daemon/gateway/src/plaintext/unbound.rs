//! Pieces that keys encrypted or decrypted before it was seen over which socket they go: some microseconds, as a rule.

use std::collections::HashMap;

use aa_bpf::record::plaintext::{ConnectionId, Piece};

/// Bytes of one key; what comes beyond is a gap.
const BYTES: usize = 256 << 10;
/// Keys; when there are more, all are forgotten.
const KEYS: usize = 256;

/// What waits.
#[derive(Default)]
pub(super) struct Unbound(HashMap<ConnectionId, Vec<Kept>>);

/// A piece that is kept.
pub(super) struct Kept {
    piece: Piece<'static>,
    bytes: Vec<u8>,
}

impl Kept {
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece {
            bytes: &self.bytes,
            ..self.piece
        }
    }
}

impl Unbound {
    pub(super) fn keep(&mut self, piece: &Piece<'_>) {
        if self.0.len() >= KEYS && !self.0.contains_key(&piece.connection) {
            self.0.clear();
        }
        let kept = self.0.entry(piece.connection).or_default();
        let bytes: usize = kept.iter().map(|kept| kept.bytes.len()).sum();
        if bytes + piece.bytes.len() <= BYTES {
            kept.push(Kept {
                piece: Piece {
                    bytes: &[],
                    // Answered before it is heard again.
                    question: None,
                    ..*piece
                },
                bytes: piece.bytes.to_vec(),
            });
        }
    }

    /// What waits of a key.
    pub(super) fn of(&self, connection: &ConnectionId) -> &[Kept] {
        self.0.get(connection).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn take(&mut self, connection: &ConnectionId) -> Vec<Kept> {
        self.0.remove(connection).unwrap_or_default()
    }

    /// Forgets the keys whose first piece is such a one.
    pub(super) fn forget(&mut self, which: impl Fn(&Piece<'_>) -> bool) {
        self.0
            .retain(|_, kept| !kept.first().is_some_and(|first| which(&first.piece)));
    }
}
