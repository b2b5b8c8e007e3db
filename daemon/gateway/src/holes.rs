//! Which of the kernel's records have arrived: it numbers them per ring and processor, so a number that is missing is a
//! loss, and one that comes twice was recorded by a predecessor.
//!
//! Numbers may arrive out of order: a task can be preempted between taking its number and writing its record. So a
//! number that is passed over is only told as lost after [`PATIENCE`].
//!
//! Of the activity not all is recorded, so a log does not say how far a predecessor read: what is missing there before the
//! first number that comes is no loss. What the ring could not hold the kernel counts.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use aa_wire::Event;
use aa_wire::event::{Kind, Ring};

/// How late a record may come.
const PATIENCE: Duration = Duration::from_secs(1);
/// Missing numbers that are remembered one by one, on one ring and processor; beyond, a hole is told at once.
const OPEN_LIMIT: u64 = 65_536;

/// A row of numbers that never arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) ring: Ring,
    pub(crate) cpu: u32,
    /// The first number.
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// The numbers of every ring and processor.
#[derive(Debug, Default)]
pub(crate) struct Holes {
    numbers: HashMap<(Ring, u32), Numbers>,
    /// Not all that was ever recorded was looked at: a ring and processor may be new here and not new.
    partial: bool,
    /// There is a log.
    logged: bool,
}

#[derive(Debug)]
struct Numbers {
    /// One more than the greatest number seen.
    next: u64,
    /// Numbers passed over, and when.
    open: BTreeMap<u64, Instant>,
    /// Passed over in one leap too long to remember: first and count.
    leaps: Vec<(u64, u64)>,
    /// Numbers below are not told as lost.
    told_from: u64,
}

impl Numbers {
    fn from(next: u64) -> Self {
        Self {
            next,
            open: BTreeMap::new(),
            leaps: Vec::new(),
            told_from: 0,
        }
    }

    /// After what a log says of them.
    fn logged(ring: Ring, first: u64) -> Self {
        let told_from = if ring == Ring::Activity { u64::MAX } else { 0 };
        Self {
            told_from,
            ..Self::from(first)
        }
    }

    /// Whether the number is new.
    fn arrive(&mut self, number: u64, now: Instant) -> bool {
        if number < self.next {
            return self.open.remove(&number).is_some();
        }
        if number - self.next > OPEN_LIMIT {
            if self.next >= self.told_from {
                self.leaps.push((self.next, number - self.next));
            }
        } else {
            self.open.extend((self.next..number).map(|missing| (missing, now)));
        }
        self.next = number + 1;
        true
    }
}

impl Holes {
    /// To be seeded with the end of a log.
    pub(crate) fn of_end() -> Self {
        Self {
            partial: true,
            ..Self::default()
        }
    }

    /// Takes up what a predecessor recorded, in the order of its log.
    pub(crate) fn seed(&mut self, event: &Event, now: Instant) {
        let (Some(ring), Some(cpu), Some(first)) = (event.ring, event.cpu, event.sequence) else {
            return;
        };
        self.logged = true;
        let count = if event.kind == Kind::Loss {
            event.lost.unwrap_or(1).min(OPEN_LIMIT)
        } else {
            1
        };
        let numbers = self
            .numbers
            .entry((ring, cpu))
            .or_insert_with(|| Numbers::logged(ring, first));
        for number in first..first.saturating_add(count) {
            numbers.arrive(number, now);
        }
    }

    /// Notes a record's number; false if it was recorded before.
    pub(crate) fn note(&mut self, ring: Ring, cpu: u32, number: u64, now: Instant) -> bool {
        let unknown = self.partial || (self.logged && ring == Ring::Activity);
        let first = if unknown { number } else { 1 };
        let numbers = self.numbers.entry((ring, cpu)).or_insert_with(|| Numbers::from(first));
        numbers.told_from = numbers.told_from.min(number);
        numbers.arrive(number, now)
    }

    /// Takes out what has been missing for too long.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Hole> {
        let mut holes: Vec<Hole> = Vec::new();
        for ((ring, cpu), numbers) in &mut self.numbers {
            let hole = |(first, count)| Hole {
                ring: *ring,
                cpu: *cpu,
                first,
                count,
            };
            holes.extend(numbers.leaps.drain(..).map(hole));
            let late = |passed: Instant| now.saturating_duration_since(passed) >= PATIENCE;
            let mut row: Option<(u64, u64)> = None;
            numbers.open.retain(|number, passed| {
                if !late(*passed) {
                    return true;
                }
                if *number < numbers.told_from {
                    return false;
                }
                row = match row {
                    Some((first, count)) if first + count == *number => Some((first, count + 1)),
                    before => {
                        holes.extend(before.map(hole));
                        Some((*number, 1))
                    }
                };
                false
            });
            holes.extend(row.map(hole));
        }
        holes
    }

    /// Whether numbers are missing that may still come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.numbers
            .values()
            .any(|numbers| !numbers.open.is_empty() || !numbers.leaps.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use aa_wire::Timestamp;
    use aa_wire::event::Effect;

    use super::*;

    const RING: Ring = Ring::Decisions;

    fn rows(holes: &mut Holes, now: Instant) -> Vec<(u32, u64, u64)> {
        let mut rows: Vec<_> = holes
            .overdue(now)
            .into_iter()
            .map(|hole| (hole.cpu, hole.first, hole.count))
            .collect();
        rows.sort_unstable();
        rows
    }

    fn recorded(kind: Kind, cpu: u32, sequence: u64, lost: Option<u64>) -> Event {
        Event {
            ring: Some(RING),
            cpu: Some(cpu),
            sequence: Some(sequence),
            lost,
            ..Event::bare(Timestamp::default(), kind, Effect::Denied, "open-read")
        }
    }

    #[test]
    fn a_hole_is_told_once_on_its_ring_and_processor_when_its_time_is_over() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        for (ring, cpu, number) in [
            (RING, 0, 1),
            (Ring::Activity, 0, 1),
            (RING, 1, 1),
            (RING, 0, 5),
            (RING, 0, 7),
        ] {
            assert!(holes.note(ring, cpu, number, now));
        }
        assert_eq!(rows(&mut holes, now), []);
        assert!(holes.is_waiting());
        assert_eq!(rows(&mut holes, now + PATIENCE), [(0, 2, 3), (0, 6, 1)]);
        assert_eq!(rows(&mut holes, now + PATIENCE), []);
        assert!(!holes.is_waiting());
    }

    #[test]
    fn a_record_that_comes_late_is_neither_lost_nor_a_repetition() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        for number in [1, 3, 2] {
            assert!(holes.note(RING, 0, number, now));
        }
        assert_eq!(rows(&mut holes, now + PATIENCE), []);
        assert!(!holes.note(RING, 0, 2, now));
    }

    #[test]
    fn what_a_predecessor_recorded_is_not_new_and_what_it_lost_is_not_told_again() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        for event in [
            recorded(Kind::Decision, 0, 10, None),
            recorded(Kind::Decision, 0, 15, None),
            recorded(Kind::Loss, 0, 11, Some(3)),
        ] {
            holes.seed(&event, now);
        }
        assert!(!holes.note(RING, 0, 9, now), "before what was looked at");
        assert!(!holes.note(RING, 0, 12, now), "told as lost");
        assert!(holes.note(RING, 0, 14, now), "not recorded");
        assert!(!holes.note(RING, 0, 15, now), "recorded");
        assert!(holes.note(RING, 0, 17, now));
        assert_eq!(rows(&mut holes, now + PATIENCE), [(0, 16, 1)]);
    }

    #[test]
    fn activity_that_no_log_need_hold_is_not_lost() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        let activity = |sequence| Event {
            ring: Some(Ring::Activity),
            ..recorded(Kind::Decision, 0, sequence, None)
        };
        for event in [activity(3), activity(9), recorded(Kind::Decision, 1, 2, None)] {
            holes.seed(&event, now);
        }
        assert!(holes.note(Ring::Activity, 0, 20, now));
        assert!(holes.note(Ring::Activity, 0, 19, now), "late, and not recorded");
        assert!(holes.note(Ring::Activity, 1, 125, now), "the first of its processor");
        assert!(holes.note(Ring::Activity, 0, 23, now));
        assert!(holes.note(RING, 1, 4, now));
        let told: Vec<_> = holes
            .overdue(now + PATIENCE)
            .iter()
            .map(|hole| (hole.ring, hole.first, hole.count))
            .collect();
        assert!(
            told.contains(&(Ring::Activity, 21, 2)) && told.contains(&(RING, 3, 1)) && told.len() == 2,
            "{told:?}"
        );
    }

    #[test]
    fn a_leap_is_told_at_once() {
        let (mut holes, now) = (Holes::default(), Instant::now());
        assert!(holes.note(RING, 3, OPEN_LIMIT * 2, now));
        assert_eq!(rows(&mut holes, now), [(3, 1, OPEN_LIMIT * 2 - 1)]);
    }
}
