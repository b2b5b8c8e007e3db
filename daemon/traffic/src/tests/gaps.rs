use proptest::prelude::*;

use super::*;
use crate::{Doubt, testing};

/// Which of the traces.
const JSON: usize = 1;

fn traces() -> Vec<Trace> {
    testing::traces().into_iter().map(|(_, trace)| trace).collect()
}

/// A trace of which a part of one piece is lost.
fn with_gap(trace: &Trace, piece: usize, from: usize, missing: usize, known: bool) -> Heard {
    let mut conversation = Conversation::new(Limits::default());
    let mut heard = Heard::default();
    for (number, (direction, bytes)) in trace.iter().enumerate() {
        if number != piece {
            conversation.bytes(*direction, bytes, &mut |told| heard.take(&told));
            continue;
        }
        let (from, to) = (from.min(bytes.len()), (from + missing).min(bytes.len()));
        conversation.bytes(*direction, &bytes[..from], &mut |told| heard.take(&told));
        let missing = if known { (to - from) as u64 } else { 0 };
        conversation.gap(*direction, missing, &mut |told| heard.take(&told));
        conversation.bytes(*direction, &bytes[to..], &mut |told| heard.take(&told));
    }
    conversation.closed(&mut |told| heard.take(&told));
    heard
}

/// Wherever bytes are lost, nothing is invented, and every exchange that differs from the truth says so.
#[test]
fn a_gap_anywhere_invents_nothing() {
    for trace in traces() {
        let truth = hear(&trace);
        for piece in 0..trace.len() {
            let length = trace[piece].1.len();
            for from in (0..length).step_by(if length > 200 { 3 } else { 1 }) {
                for missing in [1, 7, 40, 1000] {
                    for known in [true, false] {
                        let heard = with_gap(&trace, piece, from, missing, known);
                        let place = format!("piece {piece} at {from}, {missing} bytes, known: {known}");
                        assert!(heard.done.len() <= truth.done.len(), "{place}: {:?}", heard.done);
                        for Done(exchange) in &heard.done {
                            let is_true = truth.done.iter().any(|done| {
                                let (done, ours) = (&done.0, exchange);
                                done.call == ours.call && done.status == ours.status && done.path == ours.path
                            });
                            assert!(is_true || !exchange.doubts.is_empty(), "{place}: {exchange:#?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_body_of_known_length_goes_on_behind_a_gap() {
    let trace = traces()[JSON].clone();
    let from = trace[0].1.len() - 20;
    let heard = with_gap(&trace, 0, from, 10, true);
    assert_eq!(heard.done.len(), 3);
    assert_eq!(heard.done[0].0.request.missing_bytes, 10);
    assert!(heard.done[0].0.doubts.contains(Doubt::Gap));
    // What it cost is in the answer.
    assert_eq!(heard.done[0].0.call.as_ref().unwrap().usage.output, Some(20));
    assert!(heard.done[1].0.doubts.is_empty());
}

#[test]
fn a_lost_head_is_followed_by_the_next() {
    let heard = with_gap(&traces()[0], 2, 10, 100, true);
    let last = &heard.done.last().unwrap().0;
    assert_eq!((last.path.as_str(), last.status), ("/v1/chat/completions", Some(200)));
}

proptest! {
    /// However the bytes of both directions are cut.
    #[test]
    fn cuts_change_nothing(which in 0..7_usize, cuts in prop::collection::vec(1..200_usize, 1..40)) {
        let trace = &traces()[which];
        let whole = run(Limits::default(), trace.iter().map(|(direction, bytes)| (*direction, bytes.as_slice())));
        let mut sizes = cuts.iter().cycle();
        let mut pieces = Vec::new();
        for (direction, bytes) in trace {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                pieces.push((*direction, piece));
                rest = behind;
            }
        }
        let cut = run(Limits::default(), pieces);
        prop_assert_eq!(cut.told, whole.told);
        prop_assert_eq!(cut.bodies, whole.bodies);
    }

    /// Bytes that are changed, lost or made up: nothing panics, and what is kept is bounded.
    #[test]
    fn anything_is_read(
        which in 0..7_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        noise: Vec<u8>,
        at: prop::sample::Index,
        missing in 0..50_u64,
    ) {
        let mut trace = traces()[which].clone();
        let number = at.index(trace.len());
        for (place, value) in changes {
            let bytes = &mut trace[number].1;
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        trace.push(sent(&noise));
        trace.push(received(&noise));
        let mut conversation = Conversation::new(Limits::default());
        let mut heard = Heard::default();
        for (place, (direction, bytes)) in trace.iter().enumerate() {
            if place == number {
                conversation.gap(*direction, missing, &mut |told| heard.take(&told));
            }
            conversation.bytes(*direction, bytes, &mut |told| heard.take(&told));
        }
        conversation.closed(&mut |told| heard.take(&told));
        prop_assert!(conversation.memory() < 4 << 20);
    }
}
