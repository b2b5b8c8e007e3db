//! What the writer has to do besides writing, and when: checkpoints, epochs, looking at the clock.

use std::time::{Duration, Instant};

use aa_wire::Event;
use aa_wire::event::Effect;
use nix::time::{ClockId, clock_gettime};

use crate::checkpoints::Sealer;

/// Until a checkpoint follows a record.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);
/// The same for what the daemon itself did: a policy, a kill, a change of mode.
const SOON: Duration = Duration::from_secs(1);
/// Records after which one follows at once.
const CHECKPOINT_RECORDS: u64 = 65_536;
/// Until what failed is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// How far the wall clock may go astray between two groups.
const JUMP: Duration = Duration::from_secs(1);

pub(super) struct Duties {
    pub(super) sealer: Sealer,
    checkpoint_at: Option<Instant>,
    epoch: Duration,
    epoch_at: Option<Instant>,
    /// Wall clock minus time since the boot.
    offset_ns: Option<i128>,
}

impl Duties {
    /// `used`: something is sealed with the key of this epoch already.
    pub(super) fn new(sealer: Sealer, epoch: Duration, used: bool) -> Self {
        Self {
            sealer,
            checkpoint_at: None,
            epoch,
            epoch_at: used.then(|| Instant::now() + epoch),
            offset_ns: offset_ns(),
        }
    }

    /// When to attend to it at the latest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.checkpoint_at.into_iter().chain(self.epoch_at).min()
    }

    /// Something was recorded, `weighty` if the daemon itself did it.
    pub(super) fn recorded(&mut self, last: u64, weighty: bool, now: Instant) {
        let many = last.saturating_sub(self.sealer.size()) >= CHECKPOINT_RECORDS;
        let wait = match (many, weighty) {
            (true, _) => Duration::ZERO,
            (_, true) => SOON,
            _ => CHECKPOINT_INTERVAL,
        };
        let at = now + wait;
        self.checkpoint_at = Some(self.checkpoint_at.map_or(at, |before| before.min(at)));
        self.epoch_at.get_or_insert(now + self.epoch);
    }

    pub(super) fn checkpoint_is_due(&self, now: Instant) -> bool {
        self.checkpoint_at.is_some_and(|at| at <= now)
    }

    /// Nothing more is due where it was done.
    pub(super) fn checkpoint_tried(&mut self, now: Instant, done: bool) {
        self.checkpoint_at = (!done).then(|| now + RETRY);
    }

    pub(super) fn epoch_is_used(&self) -> bool {
        self.epoch_at.is_some()
    }

    pub(super) fn epoch_is_due(&self, now: Instant) -> bool {
        self.epoch_at.is_some_and(|at| at <= now)
    }

    /// Nothing is sealed with the new key yet.
    pub(super) fn epoch_begins(&mut self, now: Instant) {
        self.epoch_at = None;
        // The record that ended the one before wants a checkpoint.
        let at = now + SOON;
        self.checkpoint_at = Some(self.checkpoint_at.map_or(at, |before| before.min(at)));
    }

    pub(super) fn epoch_failed(&mut self, now: Instant) {
        if self.epoch_at.is_some() {
            self.epoch_at = Some(now + RETRY);
        }
    }

    /// What to record if the wall clock was set since this was last asked.
    pub(super) fn clock_jump(&mut self) -> Option<Event> {
        let now = offset_ns()?;
        let by = now - self.offset_ns.replace(now)?;
        (by.unsigned_abs() >= JUMP.as_nanos()).then(|| {
            let way = if by < 0 { "back" } else { "forward" };
            let detail = format!("the clock was set {way} by {} ms", by.unsigned_abs() / 1_000_000);
            Event::lifecycle("clock-jump", Effect::Allowed, detail)
        })
    }
}

fn offset_ns() -> Option<i128> {
    let read = |clock| clock_gettime(clock).ok().map(Duration::from);
    let (wall, boot) = (read(ClockId::CLOCK_REALTIME)?, read(ClockId::CLOCK_BOOTTIME)?);
    Some(i128::try_from(wall.as_nanos()).ok()? - i128::try_from(boot.as_nanos()).ok()?)
}
