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
    /// When all that was spent is paid for, at one part in [`SHARE`] of the time that passes.
    paid_at: Cell<Instant>,
}

impl Explaining {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            paid_at: Cell::new(saved_up(now)),
        }
    }

    /// Whether there is time for one more.
    pub(crate) fn has_time(&self, now: Instant) -> bool {
        self.paid_at.get() <= now
    }

    pub(crate) fn spend(&self, now: Instant, time: Duration) {
        let from = self.paid_at.get().max(saved_up(now));
        self.paid_at.set(from + time * SHARE);
    }
}

/// Nothing was spent for long enough before this time.
fn saved_up(now: Instant) -> Instant {
    now.checked_sub(MOST * SHARE).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_share_and_no_more() {
        // The machine may have been started just now.
        let begun = Instant::now() + MOST * SHARE;
        let explaining = Explaining::new(begun);
        let (mut now, mut explained) = (begun, 0_u32);
        // Ten seconds of denials, of which each would take 100 ms to explain and 1 ms to record.
        while now < begun + Duration::from_secs(10) {
            if explaining.has_time(now) {
                now += Duration::from_millis(100);
                explaining.spend(now, Duration::from_millis(100));
                explained += 1;
            }
            now += Duration::from_millis(1);
        }
        assert!((40..=50).contains(&explained), "{explained}");
        assert!(explaining.has_time(now + Duration::from_secs(1)));
    }
}
