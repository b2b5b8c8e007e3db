//! How long to wait before another try.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// After so many failures, 1 at least: twice as long each time, five minutes at most, and less by a random part of a half, so that many who
/// wait for one receiver do not come back together.
pub(crate) fn wait(failures: u32) -> Duration {
    between(failures, random())
}

fn between(failures: u32, random: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST).mul_f64(1.0 - random / 2.0)
}

/// From 0 to 1. Where the kernel gives none, nothing is spread.
fn random() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_are_spread_over_half_of_that() {
        let whole: Vec<u64> = (1..=10).map(|failures| between(failures, 0.0).as_secs()).collect();
        assert_eq!(whole, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(between(40, 1.0).as_secs(), 150);
        let waits: Vec<Duration> = (0..100).map(|_| wait(9)).collect();
        assert!(waits.iter().all(|wait| (128..=256).contains(&wait.as_secs())));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
