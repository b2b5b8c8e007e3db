//! What is hidden, as ranges of bytes that never overlap.

use crate::detector::{Confidence, DetectorId};
use crate::finding::Reason;

/// A range of raw bytes to hide, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) detector: DetectorId,
    pub(crate) confidence: Confidence,
    /// Higher wins the name of a union.
    pub(crate) priority: u8,
    /// A value the provider documents: told, not hidden.
    pub(crate) example: bool,
    /// How the bytes are written.
    pub(crate) layer: crate::image::Layer,
    /// Why it is hidden although nobody knows what it is.
    pub(crate) reason: Option<Reason>,
    /// It was longer than what is looked at in one piece.
    pub(crate) oversized: bool,
}

/// Spans in order, each the union of all that overlapped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Vec<Span>);

impl Spans {
    /// Adds one, uniting it with what it overlaps: the union has the outermost ends and the name of the highest priority.
    pub(crate) fn add(&mut self, mut span: Span) {
        let from = self.0.partition_point(|other| other.end <= span.start);
        let to = self.0.partition_point(|other| other.start < span.end).max(from);
        for other in self.0.get(from..to).unwrap_or_default() {
            span = unite(span, *other);
        }
        self.0.splice(from..to, [span]);
    }

    pub(crate) fn as_slice(&self) -> &[Span] {
        &self.0
    }

    /// Takes out the one that covers a position.
    pub(crate) fn take_at(&mut self, at: u64) -> Option<Span> {
        let place = self.0.partition_point(|span| span.end <= at);
        let covers = self.0.get(place).is_some_and(|span| span.start <= at);
        covers.then(|| self.0.remove(place))
    }

    /// Takes those that end at or before a position.
    pub(crate) fn take_until(&mut self, end: u64) -> Vec<Span> {
        let count = self.0.partition_point(|span| span.end <= end);
        self.0.drain(..count).collect()
    }
}

fn unite(a: Span, b: Span) -> Span {
    // A total order that does not look at the ends, so that unions in any order have the same name.
    let rank = |span: &Span| {
        (
            !span.example,
            span.reason,
            span.priority,
            span.detector,
            span.confidence,
            span.layer,
        )
    };
    let named = if rank(&a) > rank(&b) { a } else { b };
    Span {
        start: a.start.min(b.start),
        end: a.end.max(b.end),
        example: a.example && b.example,
        oversized: a.oversized || b.oversized,
        ..named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(start: u64, end: u64, priority: u8) -> Span {
        Span {
            start,
            end,
            detector: DetectorId(u16::from(priority)),
            confidence: Confidence::High,
            priority,
            example: false,
            layer: crate::image::Layer::Plain,
            reason: None,
            oversized: false,
        }
    }

    #[test]
    fn overlapping_spans_become_one_with_the_name_of_the_highest_priority() {
        let mut spans = Spans::default();
        spans.add(span(10, 20, 1));
        spans.add(span(20, 25, 1));
        spans.add(span(15, 18, 9));
        assert_eq!(
            spans.as_slice(),
            [
                Span {
                    end: 20,
                    ..span(10, 20, 9)
                },
                span(20, 25, 1)
            ]
        );
        spans.add(span(5, 30, 2));
        assert_eq!(spans.as_slice(), [span(5, 30, 9)]);
    }

    proptest! {
        #[test]
        fn every_byte_of_every_span_stays_covered_and_none_overlap(list in prop::collection::vec((0_u64..200, 1_u64..40, 0_u8..5), 0..40)) {
            let mut spans = Spans::default();
            for (start, len, priority) in &list {
                spans.add(span(*start, start + len, *priority));
            }
            for at in 0..260 {
                let wanted = list.iter().any(|(start, len, _)| (*start..start + len).contains(&at));
                let covered = spans.as_slice().iter().filter(|span| (span.start..span.end).contains(&at)).count();
                prop_assert_eq!(covered, usize::from(wanted));
            }
            prop_assert!(spans.as_slice().windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
