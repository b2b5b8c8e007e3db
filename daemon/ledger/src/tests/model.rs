//! Any sequence of calls against a list of all that was ever said.

use proptest::prelude::*;

use super::*;
use crate::ReservationId;
use crate::amount::quarter_of;

const POLICIES: [&str; 2] = ["coder", "a/b \"c\"\n\u{e9}"];

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        who: (usize, u64),
        more: u64,
        most: u64,
        minutes: u32,
        onto: Option<prop::sample::Index>,
    },
    Settle {
        which: prop::sample::Index,
        used: u64,
        minutes: u32,
    },
    Charge {
        who: (usize, u64),
        used: u64,
        minutes: u32,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || (0..POLICIES.len(), 0..3_u64);
    let amount = || prop_oneof![9 => 0..100_u64, 1 => (u64::MAX - 9)..=u64::MAX];
    let minutes = || 0..100_u32;
    prop_oneof![
        4 => (who(), amount(), 0..600_u64, minutes(), any::<Option<prop::sample::Index>>())
            .prop_map(|(who, more, most, minutes, onto)| Step::Reserve { who, more, most, minutes, onto }),
        3 => (any::<prop::sample::Index>(), amount(), minutes())
            .prop_map(|(which, used, minutes)| Step::Settle { which, used, minutes }),
        2 => (who(), amount(), minutes()).prop_map(|(who, used, minutes)| Step::Charge { who, used, minutes }),
        1 => Just(Step::Reopen),
    ]
}

struct Line {
    who: (usize, u64),
    quarter: u64,
    amount: u64,
    open: Option<ReservationId>,
}

fn at(minutes: u32) -> SystemTime {
    noon() + minutes * MINUTE
}

fn spans() -> impl Iterator<Item = Span> {
    std::iter::once(Span::Session).chain((0..8).map(|quarter| Span::Since(at(15 * quarter))))
}

fn account(who: (usize, u64)) -> Account<'static> {
    Account {
        policy: POLICIES[who.0],
        session: who.1,
    }
}

fn model_use(lines: &[Line], who: (usize, u64), span: Span) -> Use {
    let mut used = Use::default();
    for line in lines.iter().filter(|line| line.who.0 == who.0) {
        let session = span == Span::Session;
        let counts = !session || line.who == who;
        let in_span = !matches!(span, Span::Since(time) if line.quarter < quarter_of(time));
        if counts && line.open.is_some() {
            used.reserved = used.reserved.saturating_add(line.amount);
        } else if counts && in_span {
            used.spent = used.spent.saturating_add(line.amount);
        }
    }
    used
}

fn has_room(used: Use, more: u64, most: u64) -> bool {
    let sum = used
        .spent
        .checked_add(used.reserved)
        .and_then(|sum| sum.checked_add(more));
    sum.is_some_and(|sum| sum <= most)
}

fn compare(ledger: &Ledger, lines: &[Line]) {
    for who in (0..POLICIES.len()).flat_map(|policy| (0..3).map(move |session| (policy, session))) {
        for span in spans() {
            let used = ledger.used(&account(who), &cap(span, 0));
            assert_eq!(used, model_use(lines, who, span), "{who:?} {span:?}");
        }
    }
}

fn only_dollars(micro_dollars: u64) -> Amount {
    Amount {
        micro_dollars,
        ..Amount::default()
    }
}

fn play(steps: Vec<Step>, mut open: impl FnMut() -> (Ledger, usize)) {
    let mut ledger = Some(open().0);
    let mut lines: Vec<Line> = Vec::new();
    for step in steps.into_iter().chain([Step::Reopen]) {
        let current = ledger.as_ref().unwrap();
        let opened: Vec<usize> = (0..lines.len()).filter(|index| lines[*index].open.is_some()).collect();
        match step {
            Step::Reserve {
                who,
                more,
                most,
                minutes,
                onto,
            } => {
                let onto = onto
                    .filter(|_| !opened.is_empty())
                    .map(|which| opened[which.index(opened.len())]);
                let who = onto.map_or(who, |index| lines[index].who);
                let caps = spans().map(|span| cap(span, most)).collect::<Vec<_>>();
                let full = spans().position(|span| !has_room(model_use(&lines, who, span), more, most));
                let raised = onto.and_then(|index| lines[index].open);
                match current.reserve(&account(who), &caps, only_dollars(more), at(minutes), raised) {
                    Err(Refusal::Full { cap, .. }) => assert_eq!(Some(cap), full),
                    Err(error) => panic!("{error:?}"),
                    Ok(id) => {
                        assert_eq!(full, None);
                        match onto {
                            Some(index) => lines[index].amount = lines[index].amount.saturating_add(more),
                            None => lines.push(Line {
                                who,
                                quarter: quarter_of(at(minutes)),
                                amount: more,
                                open: Some(id),
                            }),
                        }
                    }
                }
            }
            Step::Settle { which, used, minutes } if !opened.is_empty() => {
                let line = &mut lines[opened[which.index(opened.len())]];
                current.settle(line.open.take().unwrap(), only_dollars(used), at(minutes));
                (line.quarter, line.amount) = (quarter_of(at(minutes)), used);
            }
            Step::Settle { .. } => {}
            Step::Charge { who, used, minutes } => {
                current.charge(&account(who), only_dollars(used), at(minutes));
                lines.push(Line {
                    who,
                    quarter: quarter_of(at(minutes)),
                    amount: used,
                    open: None,
                });
            }
            Step::Reopen => {
                drop(ledger.take());
                let (reopened, charged) = open();
                assert_eq!(charged, opened.len());
                for line in &mut lines {
                    line.open = None;
                }
                ledger = Some(reopened);
            }
        }
        compare(ledger.as_ref().unwrap(), &lines);
    }
}

proptest! {
    #[test]
    fn the_ledger_counts_as_a_list_of_all_calls_does(steps in prop::collection::vec(step(), 0..60)) {
        let memory = Memory::default();
        play(steps, || memory.ledger());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn so_does_one_on_the_disk(steps in prop::collection::vec(step(), 0..40)) {
        let directory = tempfile::tempdir().unwrap();
        play(steps, || Ledger::open(directory.path()).unwrap());
    }
}
