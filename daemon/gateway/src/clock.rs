//! The time on the wall, which somebody may set. What depends on it goes by all that the clock showed in the last day, so that setting it
//! opens and renews nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// What two readings may differ by and still be one: NTP slews a clock by 0.5 ms a second.
const STEP: Duration = Duration::from_secs(1);
/// How long a reading counts.
const MEMORY: Duration = Duration::from_secs(86_400);
/// A clock that is set more often than that in a day tells no time.
const MOST_READINGS: usize = 64;

/// Both clocks, read together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) boot: Duration,
    pub(crate) wall: Duration,
}

impl Now {
    fn read() -> Self {
        let read = |clock| clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
        Self {
            boot: read(ClockId::CLOCK_BOOTTIME),
            wall: read(ClockId::CLOCK_REALTIME),
        }
    }
}

/// Where the wall clock was seen to stand.
#[derive(Debug)]
struct Reading {
    /// What it showed, or would have shown, when the machine booted.
    at_boot: Duration,
    /// When it last stood so, boot time.
    seen: Duration,
}

/// What is known of time.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    readings: Vec<Reading>,
}

impl WallClock {
    pub(crate) fn note(&mut self, now: Now) {
        let at_boot = now.wall.saturating_sub(now.boot);
        let reading = Reading {
            at_boot,
            seen: now.boot,
        };
        self.readings
            .retain(|known| known.at_boot.abs_diff(at_boot) > STEP && now.boot.saturating_sub(known.seen) < MEMORY);
        self.readings.push(reading);
    }

    /// What time it may be, the last reading last. Empty where the clock tells none, or one that no calendar reaches.
    pub(crate) fn times(&self, boot: Duration) -> Vec<SystemTime> {
        let at = |reading: &Reading| SystemTime::UNIX_EPOCH.checked_add(reading.at_boot)?.checked_add(boot);
        let all: Option<Vec<_>> = self.readings.iter().map(at).collect();
        all.filter(|all| all.len() <= MOST_READINGS).unwrap_or_default()
    }
}

/// The gateway's one, which its threads share.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedClock(Arc<Mutex<WallClock>>);

impl SharedClock {
    /// What time it is, if nobody has set the clock for a day.
    pub(crate) fn certain(&self) -> Option<SystemTime> {
        match self.read().1.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Reads the clocks: the time since boot, and what time it may be ([`WallClock::times`]).
    pub(crate) fn read(&self) -> (Duration, Vec<SystemTime>) {
        let now = Now::read();
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clock.note(now);
        (now.boot, clock.times(now.boot))
    }
}
