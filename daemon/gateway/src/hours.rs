//! Opens policies with `hours`, and only ever for a time: the kernel closes them by itself when that is over, with or
//! without us.
//!
//! The kernel counts boot time, people mean the time on the wall. A clock that is set must not open anything, so all
//! readings of the wall clock of the last day have to agree that a policy is open.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::gateway::Gateway;
use aa_policy::{Hours, Mode, Policy};
use aa_wire::event::Effect;
use aa_wire::sensor::Request;
use aa_wire::{Event, Slot, WireError};

/// How often the clocks are read.
const INTERVAL: Duration = Duration::from_secs(5);
/// Until when policies are open, as the kernel was told: boot time; 0: closed.
#[derive(Debug, Default)]
pub(crate) struct Opener {
    told: BTreeMap<Slot, u64>,
}

/// Until when these hours are open at all times that it may be, boot time; 0 if they are not.
fn open_until(hours: &Hours, boot: Duration, times: &[SystemTime]) -> u64 {
    let stays = |at: &SystemTime| hours.is_open(*at).then(|| hours.stays(*at));
    let shortest = times.iter().map(stays).collect::<Option<Vec<_>>>();
    let until = shortest.and_then(|all| boot.checked_add(all.into_iter().min()?));
    until.map_or(0, |until| u64::try_from(until.as_nanos()).unwrap_or(0))
}

/// How long the time at which they are closed for the longest stays so.
fn closed_for(hours: &Hours, times: &[SystemTime]) -> Duration {
    let stays = |at: &SystemTime| (!hours.is_open(*at)).then(|| hours.stays(*at));
    times.iter().filter_map(stays).max().unwrap_or_default()
}

impl Gateway {
    /// Until when a policy is open as of now, for the kernel: boot time; 0: closed, or it has no hours.
    pub(crate) fn open_until_ns(&self, policy: &Policy) -> u64 {
        let (boot, times) = self.clock.read();
        policy.hours().map_or(0, |(hours, _)| open_until(hours, boot, &times))
    }

    /// Whether anybody can begin under this policy now: whom it denies everything could not even start.
    pub(crate) fn check_hours(&self, policy: &Policy) -> Result<(), WireError> {
        let Some((hours, rule)) = policy.hours().filter(|_| policy.mode() == Mode::Enforce) else {
            return Ok(());
        };
        if self.open_until_ns(policy) > 0 {
            return Ok(());
        }
        let closed = closed_for(hours, &self.clock.read().1);
        Err(
            WireError::new("policy-closed", format!("{} is closed at this time", policy.name()))
                .because(format!("its hours (line {}) close it {hours}", rule.line))
                .hint(format!("try again in {} minutes", closed.as_secs().div_ceil(60))),
        )
    }

    /// Tells the sensor until when each policy with hours is open, and the log when one opens or closes.
    async fn keep_hours(&self) {
        let in_force = self.book.borrow().all_in_force();
        for (_, load) in in_force {
            let Some((hours, _)) = load.policy.hours() else {
                continue;
            };
            let until_ns = self.open_until_ns(&load.policy);
            let before = self.opener.borrow().told.get(&load.slot).copied();
            // What is left of an opening is the same however often it is worked out, but for the clock's slewing.
            let same = |before: u64| before.abs_diff(until_ns) < 1_000_000;
            if before.is_some_and(same) {
                continue;
            }
            let request = Request::Open {
                slot: load.slot,
                until_ns,
            };
            if let Err(problem) = self.sensor.request(request).await {
                tracing::error!(slot = %load.slot, %problem, "the kernel was not told until when a policy is open");
                continue;
            }
            self.opener.borrow_mut().told.insert(load.slot, until_ns);
            if before.map(|before| before > 0) != Some(until_ns > 0) {
                let (word, effect) = match until_ns {
                    0 => ("policy-closed", Effect::Denied),
                    _ => ("policy-open", Effect::Allowed),
                };
                let detail = format!("{}, closed {hours}", load.policy.name());
                self.record(Event::lifecycle(word, effect, detail));
            }
        }
    }
}

/// Keeps at it while the gateway lives.
pub(crate) async fn keep(gateway: Rc<Gateway>) {
    loop {
        // What it shows counts for a day, whether anybody asks then or not.
        gateway.clock.read();
        gateway.keep_hours().await;
        gateway.record_notices();
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Now, WallClock};

    const MINUTE: u64 = 60;
    const HOUR: u64 = 3600;

    fn policy(hours: &str) -> Policy {
        let text = format!("policy: p\nversion: 1\nhours: {hours}\n");
        aa_policy::parse_policy(&text, "p.yaml", &aa_policy::Environment::default()).unwrap()
    }

    /// What time it may be after the clocks were read at these times, seconds since boot and since midnight, UTC, of a Friday.
    fn after(readings: &[(u64, u64)]) -> Vec<SystemTime> {
        let midnight = Duration::from_secs(1_795_132_800);
        let mut clock = WallClock::default();
        for (boot, wall) in readings {
            clock.note(Now {
                boot: Duration::from_secs(*boot),
                wall: midnight + Duration::from_secs(*wall),
            });
        }
        clock.times(Duration::from_secs(readings.last().unwrap().0))
    }

    fn open_for(readings: &[(u64, u64)]) -> u64 {
        let policy = policy("{allow: \"08:00-18:00 UTC\"}");
        let boot = Duration::from_secs(readings.last().unwrap().0);
        let until = open_until(policy.hours().unwrap().0, boot, &after(readings));
        Duration::from_nanos(until).saturating_sub(boot).as_secs()
    }

    #[test]
    fn a_policy_is_open_until_the_wall_clock_says_otherwise() {
        assert_eq!(open_for(&[(100, 17 * HOUR)]), HOUR);
        assert_eq!(open_for(&[(100, 7 * HOUR)]), 0);
        assert_eq!(
            open_for(&[(100, 17 * HOUR), (100 + 30 * MINUTE, 17 * HOUR + 30 * MINUTE)]),
            30 * MINUTE
        );
    }

    #[test]
    fn a_clock_that_is_set_opens_nothing_and_closes_at_once() {
        // It is 19:00, and somebody sets it to 12:00.
        assert_eq!(open_for(&[(100, 19 * HOUR), (110, 12 * HOUR)]), 0);
        // At 17:00 to 9:00: it closes when it would have.
        assert_eq!(open_for(&[(100, 17 * HOUR), (160, 9 * HOUR)]), HOUR - MINUTE);
        // To 20:00.
        assert_eq!(open_for(&[(100, 12 * HOUR), (160, 20 * HOUR)]), 0);
        // A day later the time it shows counts.
        assert_eq!(
            open_for(&[(100, 19 * HOUR), (110, 12 * HOUR), (110 + 24 * HOUR, 36 * HOUR)]),
            6 * HOUR
        );
    }

    #[test]
    fn a_clock_that_is_slewed_is_one_reading() {
        let readings: Vec<(u64, u64)> = (0..500)
            .map(|turn| (turn * 10, 9 * HOUR + turn * 10 + turn / 4))
            .collect();
        assert_eq!(after(&readings).len(), 1);
    }
}
