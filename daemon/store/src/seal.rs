//! What shows that the entries of the store are those that were written together, and not older than was once known.

use serde::{Deserialize, Serialize};

use crate::Entry;

const SCHEMA: u32 = 1;

/// Written with every batch under a key of its own. The sum notices an entry that is gone, changed or older than the
/// others; the number, compared with one kept outside of the database, that all of them are older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    schema: u32,
    /// Batches written so far.
    pub(crate) batches: u64,
    /// Of the hashes of all entries.
    sum: u64,
}

impl Seal {
    /// Its own key. No entry has it: those of the ledger are JSON objects, those of the vault begin with a zero.
    pub(crate) const KEY: &'static [u8] = b"seal";

    /// Of no entries.
    pub(crate) fn empty() -> Self {
        Self {
            schema: SCHEMA,
            batches: 0,
            sum: 0,
        }
    }

    /// Reads one and holds it against all entries.
    pub(crate) fn check(bytes: &[u8], entries: &[Entry]) -> Result<Self, String> {
        let seal: Self = serde_json::from_slice(bytes).map_err(|error| format!("its seal cannot be read: {error}"))?;
        if seal.schema != SCHEMA {
            return Err(format!("it has schema {}, and this reads {SCHEMA}", seal.schema));
        }
        let mut sum = Self::empty();
        for (key, value) in entries {
            sum.change(key, None, Some(value));
        }
        if sum.sum != seal.sum {
            return Err("entries are missing, or are not those that were last written".to_owned());
        }
        Ok(seal)
    }

    pub(crate) fn change(&mut self, key: &[u8], from: Option<&[u8]>, to: Option<&[u8]>) {
        let hash = |value| hash(key, value);
        self.sum = self
            .sum
            .wrapping_sub(from.map_or(0, hash))
            .wrapping_add(to.map_or(0, hash));
    }
}

/// FNV-1a of 64 bits: it stands against decay, not against an author.
fn hash(key: &[u8], value: &[u8]) -> u64 {
    let bytes = key.iter().chain(&[0]).chain(value);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
