//! What shows that none of the entries is missing, changed, added, or older than the others.
//!
//! The sum of a keyed hash of every entry, in 256 bits, kept in memory; the store holds a code over that sum and the number of changes, never
//! the sum: who reads many versions of the store learns no single hash, and without those nobody finds another set with the same
//! sum (Clarke and others, "Incremental multiset hash functions", 2003). It does not show that the whole store is older than it was: for that
//! each change's number is in the audit log.

use hmac::Mac;

use crate::crypto::mac;
use crate::record::{Bytes, TallyMark};

const SUMMAND: &[u8] = b"aa-vault: an entry";
const CODE: &[u8] = b"aa-vault: the tally";

/// See the module.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) changes: u64,
    /// The lowest first.
    sum: [u64; 4],
}

impl Tally {
    /// Of nothing yet, as of a change of this number.
    pub(crate) fn at(changes: u64) -> Self {
        Self { changes, sum: [0; 4] }
    }

    pub(crate) fn add(&mut self, key: &[u8; 32], entry: &Bytes) {
        self.sum(hash(key, entry));
    }

    pub(crate) fn remove(&mut self, key: &[u8; 32], entry: &Bytes) {
        // The negative: all bits turned, and one more.
        self.sum(hash(key, entry).map(|word| !word));
        self.sum([1, 0, 0, 0]);
    }

    fn sum(&mut self, more: [u64; 4]) {
        let mut carried = false;
        for (word, more) in self.sum.iter_mut().zip(more) {
            let (sum, over) = word.overflowing_add(more);
            let (sum, again) = sum.overflowing_add(u64::from(carried));
            *word = sum;
            carried = over || again;
        }
    }

    pub(crate) fn mark(&self, key: &[u8; 32]) -> TallyMark {
        TallyMark {
            changes: self.changes,
            code: self.coded(key).finalize().into_bytes().into(),
        }
    }

    /// Whether the mark is of these entries; in constant time.
    pub(crate) fn is(&self, key: &[u8; 32], mark: &TallyMark) -> bool {
        self.changes == mark.changes && self.coded(key).verify(&mark.code.into()).is_ok()
    }

    fn coded(&self, key: &[u8; 32]) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = mac(key);
        mac.update(CODE);
        mac.update(&self.changes.to_le_bytes());
        for word in self.sum {
            mac.update(&word.to_le_bytes());
        }
        mac
    }
}

/// The sum is nobody's business.
impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tally({} changes)", self.changes)
    }
}

fn hash(key: &[u8; 32], (name, value): &Bytes) -> [u64; 4] {
    let mut mac = mac(key);
    mac.update(SUMMAND);
    mac.update(&(name.len() as u64).to_le_bytes());
    mac.update(name);
    mac.update(value);
    let bytes: [u8; 32] = mac.finalize().into_bytes().into();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.try_into().map_or(0, u64::from_le_bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn entry(number: u8) -> Bytes {
        (vec![0, number], vec![number; 3])
    }

    #[test]
    fn what_is_added_and_removed_in_any_order_leaves_what_is_there() {
        let mut one = Tally::default();
        let mut other = Tally::default();
        for number in 0..50 {
            one.add(&KEY, &entry(number));
            other.add(&KEY, &entry(49 - number));
        }
        assert!(one == other);
        for number in 1..50 {
            one.remove(&KEY, &entry(number));
        }
        let mut alone = Tally::default();
        alone.add(&KEY, &entry(0));
        assert!(one == alone);
        assert!(one.is(&KEY, &alone.mark(&KEY)));
        one.remove(&KEY, &entry(0));
        assert!(one == Tally::default());
    }

    #[test]
    fn a_mark_is_of_one_set_one_number_and_one_key() {
        let mut tally = Tally::default();
        tally.add(&KEY, &entry(1));
        let mark = tally.mark(&KEY);
        let mut more = tally;
        more.add(&KEY, &entry(2));
        let mut later = tally;
        later.changes += 1;
        assert!(tally.is(&KEY, &mark));
        assert!(!more.is(&KEY, &mark) && !later.is(&KEY, &mark) && !tally.is(&[8; 32], &mark));
        assert!(hash(&KEY, &(vec![0, 1], vec![2])) != hash(&KEY, &(vec![0], vec![1, 2])));
    }
}
