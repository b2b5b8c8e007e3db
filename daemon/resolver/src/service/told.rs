//! What was told lately, so that a flood of lookups is no flood of records.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

/// How long the same thing is not told again.
const SILENCE: Duration = Duration::from_secs(60);
/// What is remembered, of all agents; beyond that the oldest may be told again.
const REMEMBERED: usize = 16_384;

/// The last minute, as hashes under a key that nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Told {
    key: RandomState,
    known: HashSet<u64>,
    order: VecDeque<(Duration, u64)>,
}

impl Told {
    /// Whether this was not told within the last minute; it counts as told now. `now` is any clock that does not go back.
    pub(crate) fn is_new(&mut self, what: impl Hash, now: Duration) -> bool {
        while let Some((told, oldest)) = self.order.front().copied() {
            if now.saturating_sub(told) < SILENCE && self.order.len() < REMEMBERED {
                break;
            }
            self.order.pop_front();
            self.known.remove(&oldest);
        }
        let hash = self.key.hash_one(what);
        let new = self.known.insert(hash);
        if new {
            self.order.push_back((now, hash));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_a_minute_and_memory_is_bounded() {
        let mut told = Told::default();
        let at = Duration::from_secs;
        assert!(told.is_new((1, "a"), at(0)));
        assert!(!told.is_new((1, "a"), at(59)));
        assert!(told.is_new((2, "a"), at(59)));
        assert!(told.is_new((1, "a"), at(60)));
        for number in 0..2 * REMEMBERED {
            assert!(told.is_new((3, number), at(61)));
        }
        assert!(told.known.len() <= REMEMBERED && told.order.len() == told.known.len());
    }
}
