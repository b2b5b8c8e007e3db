//! Records that never arrived: the kernel numbers them per ring and processor, so a hole is a loss.

use std::collections::HashMap;

use aa_wire::event::Ring;

/// The last number seen per ring and processor.
#[derive(Debug, Default)]
pub(crate) struct Holes {
    last: HashMap<(Ring, u32), u64>,
}

impl Holes {
    /// Where a predecessor of this gateway stopped.
    pub(crate) fn seed(&mut self, ring: Ring, cpu: u32, sequence: u64) {
        let last = self.last.entry((ring, cpu)).or_default();
        *last = sequence.max(*last);
    }

    /// How many records are missing before this one. A number that goes back means new rings, not a loss.
    pub(crate) fn note(&mut self, ring: Ring, cpu: u32, sequence: u64) -> u64 {
        let last = self.last.entry((ring, cpu)).or_default();
        let missing = sequence.saturating_sub(*last).saturating_sub(1);
        *last = sequence;
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_counted_on_its_ring_and_processor() {
        let mut holes = Holes::default();
        assert_eq!(holes.note(Ring::Decisions, 0, 1), 0);
        assert_eq!(holes.note(Ring::Activity, 0, 1), 0);
        assert_eq!(holes.note(Ring::Decisions, 1, 1), 0);
        assert_eq!(holes.note(Ring::Decisions, 0, 5), 3);
        assert_eq!(holes.note(Ring::Decisions, 0, 6), 0);
    }

    #[test]
    fn what_was_lost_between_two_gateways_is_counted() {
        let mut holes = Holes::default();
        holes.seed(Ring::Decisions, 0, 10);
        assert_eq!(holes.note(Ring::Decisions, 0, 12), 1);
    }

    #[test]
    fn new_rings_begin_anew() {
        let mut holes = Holes::default();
        holes.seed(Ring::Decisions, 0, 10);
        assert_eq!(holes.note(Ring::Decisions, 0, 1), 0);
        assert_eq!(holes.note(Ring::Decisions, 0, 2), 0);
    }
}
