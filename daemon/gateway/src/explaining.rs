//! How long may be spent on what would have allowed a denied action. Each rule is tried for it, and an agent decides how
//! often: a flood of denials under a policy of many rules must not hold up who records them, or answers asks.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Of the time that passes, one part in so many.
const SHARE: u32 = 4;
/// What can be saved up.
const MOST: Duration = Duration::from_secs(2);

/// Time to be spent.
#[derive(Debug)]
pub(crate) struct Explaining {
    credit: Cell<Duration>,
    counted: Cell<Instant>,
}

impl Explaining {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            credit: Cell::new(MOST),
            counted: Cell::new(now),
        }
    }

    /// Whether there is time for one more.
    pub(crate) fn has_time(&self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.counted.replace(now)) / SHARE;
        self.credit.set((self.credit.get() + earned).min(MOST));
        !self.credit.get().is_zero()
    }

    pub(crate) fn spend(&self, time: Duration) {
        self.credit.set(self.credit.get().saturating_sub(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_share_and_no_more() {
        let begun = Instant::now();
        let explaining = Explaining::new(begun);
        let (mut now, mut explained) = (begun, 0_u32);
        // Ten seconds of denials, of which each would take 100 ms to explain and 1 ms to record.
        while now < begun + Duration::from_secs(10) {
            if explaining.has_time(now) {
                explaining.spend(Duration::from_millis(100));
                now += Duration::from_millis(100);
                explained += 1;
            }
            now += Duration::from_millis(1);
        }
        assert!((40..=50).contains(&explained), "{explained}");
        assert!(explaining.has_time(now + Duration::from_secs(1)));
    }
}
