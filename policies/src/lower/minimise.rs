//! Merging states that no input tells apart.
//!
//! First states with the same accept value and the same successors are merged from the far end, which is linear and makes a trie minimal;
//! then, in tables up to half a million words, partition refinement finds the rest.

use super::automaton::{Automaton, State};
use super::dfa::Table;
use crate::syntax::count;
use std::collections::HashMap;

const REFINE_UP_TO: usize = 1 << 19;

/// Minimises a table; state 0 stays the dead state.
pub(super) fn minimise(table: Table) -> Automaton {
    let mut table = table;
    loop {
        let before = table.accepts.len();
        let merged = merge_equal_rows(&table);
        table = rebuild(&table, &merged);
        if table.accepts.len() == before {
            break;
        }
    }
    if table.rows.len() <= REFINE_UP_TO {
        let blocks = refine(&table);
        table = rebuild(&table, &blocks);
    }
    finish(&table)
}

fn row(table: &Table, state: usize) -> &[u32] {
    table
        .rows
        .get(state * table.classes..(state + 1) * table.classes)
        .unwrap_or_default()
}

fn output(table: &Table, state: usize) -> (u32, bool) {
    (
        table.accepts.get(state).copied().unwrap_or_default(),
        table.guarded.get(state).copied().unwrap_or_default(),
    )
}

fn hash_of(value: impl Iterator<Item = u32>, seed: u64) -> u64 {
    // Multiply and rotate: rows are long and many.
    value.fold(seed, |hash, word| {
        (hash ^ u64::from(word))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29)
    })
}

/// For each state the one that stands for it, looking at successors only.
fn merge_equal_rows(table: &Table) -> Vec<u32> {
    let states = table.accepts.len();
    let mut stands_for: Vec<u32> = (0..count(states)).collect();
    let mut known: HashMap<u64, Vec<u32>> = HashMap::new();
    for state in (0..states).rev() {
        let me = count(state);
        let mapped = |of: usize, stands_for: &[u32]| -> Vec<u32> {
            let own = count(of);
            let target = |next: &u32| stands_for.get(*next as usize).copied().unwrap_or_default();
            row(table, of)
                .iter()
                .map(|next| if *next == own { u32::MAX } else { target(next) })
                .collect()
        };
        let mine = mapped(state, &stands_for);
        let (accept, guarded) = output(table, state);
        let hash = hash_of(mine.iter().copied(), u64::from(accept) << 1 | u64::from(guarded));
        let same = known.entry(hash).or_default();
        let found = same.iter().copied().find(|other| {
            output(table, *other as usize) == (accept, guarded) && mapped(*other as usize, &stands_for) == mine
        });
        match found {
            // The dead state keeps its number: whatever equals it is merged into it below.
            Some(other) => {
                if let Some(place) = stands_for.get_mut(state) {
                    *place = other;
                }
            }
            None => same.push(me),
        }
    }
    stands_for
}

/// For each state the number of its block, by partition refinement.
fn refine(table: &Table) -> Vec<u32> {
    let states = table.accepts.len();
    let mut outputs: HashMap<(u32, bool), u32> = HashMap::new();
    let mut block: Vec<u32> = Vec::with_capacity(states);
    for state in 0..states {
        let next = count(outputs.len());
        block.push(*outputs.entry(output(table, state)).or_insert(next));
    }
    let mut blocks = outputs.len();
    loop {
        let mut known: HashMap<(u32, Vec<u32>), u32> = HashMap::new();
        let mut refined = Vec::with_capacity(states);
        for state in 0..states {
            let of = |state: u32| block.get(state as usize).copied().unwrap_or_default();
            let key = (
                of(count(state)),
                row(table, state).iter().map(|next| of(*next)).collect(),
            );
            let next = count(known.len());
            refined.push(*known.entry(key).or_insert(next));
        }
        block = refined;
        if known.len() == blocks {
            break;
        }
        blocks = known.len();
    }
    // A block is named by its first state.
    let mut first: HashMap<u32, u32> = HashMap::new();
    (0..count(states))
        .zip(&block)
        .map(|(state, block)| *first.entry(*block).or_insert(state))
        .collect()
}

/// Keeps one state of each group, numbered by distance from the start, the dead state first.
fn rebuild(table: &Table, stands_for: &[u32]) -> Table {
    let of = |state: u32| stands_for.get(state as usize).copied().unwrap_or_default();
    let mut order = Vec::new();
    // A table, not a map: it is asked for every entry of every row.
    let mut numbers: Vec<Option<u32>> = vec![None; table.accepts.len()];
    let mut visit = |state: u32, order: &mut Vec<u32>| -> u32 {
        let number = numbers.get_mut(state as usize);
        number.map_or(0, |number| {
            *number.get_or_insert_with(|| {
                order.push(state);
                count(order.len() - 1)
            })
        })
    };
    visit(of(0), &mut order);
    let start = visit(of(table.start), &mut order);
    let mut rows = Vec::new();
    let mut at = 0;
    while let Some(state) = order.get(at).copied() {
        for next in row(table, state as usize) {
            let next = visit(of(*next), &mut order);
            rows.push(next);
        }
        at += 1;
    }
    let (accepts, guarded) = order.iter().map(|state| output(table, *state as usize)).unzip();
    Table {
        class_of: table.class_of.clone(),
        classes: table.classes,
        start,
        rows,
        accepts,
        guarded,
    }
}

/// Merges byte classes with equal columns and makes the rows.
fn finish(table: &Table) -> Automaton {
    let states = table.accepts.len();
    let column = |class: usize| (0..states).map(move |state| row(table, state).get(class).copied().unwrap_or_default());
    let mut kept: Vec<usize> = Vec::new();
    let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut new_class = Vec::with_capacity(table.classes);
    for class in 0..table.classes {
        let same = known.entry(hash_of(column(class), 0)).or_default();
        let place = same
            .iter()
            .copied()
            .find(|place| kept.get(*place).is_some_and(|other| column(*other).eq(column(class))));
        new_class.push(place.unwrap_or_else(|| {
            kept.push(class);
            same.push(kept.len() - 1);
            kept.len() - 1
        }));
    }
    let class = |old: u8| {
        new_class
            .get(usize::from(old))
            .and_then(|class| u8::try_from(*class).ok())
            .unwrap_or_default()
    };
    let rows = (0..states).map(|state| {
        let (accept, guarded) = output(table, state);
        let next = kept
            .iter()
            .map(|class| row(table, state).get(*class).copied().unwrap_or_default())
            .collect();
        State { accept, guarded, next }
    });
    Automaton {
        classes: table.class_of.iter().map(|old| class(*old)).collect(),
        class_count: u16::try_from(kept.len()).unwrap_or(u16::MAX),
        start: table.start,
        rows: rows.collect(),
    }
}
