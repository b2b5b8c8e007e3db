use super::*;
use crate::charset::WORD;
use proptest::prelude::*;

fn literal(bytes: &[u8], fold: bool, owner: u32) -> Literal {
    Literal {
        bytes: bytes.to_vec(),
        fold,
        then: Vec::new(),
        before: None,
        owner,
    }
}

fn all(filter: &Filter, text: &[u8]) -> Vec<(usize, u32)> {
    let mut found = Vec::new();
    let mut marks = Marks::from(0);
    while let Next::Probe(probe) = filter.next(text, &mut marks, true) {
        for (literal, offset) in filter.at(text, probe) {
            let start = i64::try_from(probe).unwrap() - i64::from(offset);
            if let Ok(start) = usize::try_from(start)
                && literal.stands(text, start) == Some(true)
            {
                found.push((start, literal.owner));
            }
        }
        marks.pass(probe + STRIDE);
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn a_literal_is_found_at_every_offset_and_in_every_case_it_asks_for() {
    let filter = Filter::new(vec![
        literal(b"ghp_", false, 1),
        literal(b"://", false, 2),
        literal(b"datadog", true, 3),
        Literal {
            then: vec![&WORD],
            ..literal(b"%4", false, 4)
        },
    ]);
    for pad in 0..30 {
        let mut text = vec![b'.'; pad];
        text.extend_from_slice(b"ghp_ :// DataDog %4a GHP_ %4");
        let found = all(&filter, &text);
        assert_eq!(found, [(pad, 1), (pad + 5, 2), (pad + 9, 3), (pad + 17, 4)], "{pad}");
    }
}

proptest! {
    #[test]
    fn every_occurrence_is_found_and_nothing_else(
        words in prop::collection::vec("[ab_]{3,7}", 1..12),
        text in "[ab_ ]{0,200}",
    ) {
        let filter = Filter::new((0..).zip(&words).map(|(number, word)| literal(word.as_bytes(), false, number)).collect());
        let text = text.as_bytes();
        let mut expected = Vec::new();
        for (number, word) in (0..).zip(&words) {
            for at in 0..text.len() {
                if text[at..].starts_with(word.as_bytes()) {
                    expected.push((at, number));
                }
            }
        }
        expected.sort_unstable();
        prop_assert_eq!(all(&filter, text), expected);
    }
}
