//! The dense automaton the kernel walks.

use super::{Limits, LowerError, TOO_LARGE, dfa, nfa::Nfa, paths};
use crate::glob::PathPattern;
use crate::syntax::count;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;

/// One state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State {
    /// What input ending here means; 0 is nothing.
    pub accept: u32,
    /// Whether a rule may still match strictly below a directory whose path ends here.
    pub guarded: bool,
    /// The next state by byte class.
    pub next: Vec<u32>,
}

/// Byte classes and states. State 0 is dead: no way leads out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automaton {
    /// The class of each of the 256 byte values.
    pub classes: Vec<u8>,
    /// How many classes there are.
    pub class_count: u16,
    /// Where input begins.
    pub start: u32,
    /// The states.
    pub rows: Vec<State>,
}

/// What an automaton's accept values mean, each meaning once; value 0 is what nothing matched.
pub(super) struct Answers<T> {
    list: Vec<T>,
    known: HashMap<T, u32>,
}

impl<T: Copy + Eq + Hash> Answers<T> {
    pub(super) fn new(unmatched: T) -> Self {
        Self {
            list: vec![unmatched],
            known: HashMap::from([(unmatched, 0)]),
        }
    }

    /// The accept value of a meaning.
    pub(super) fn value(&mut self, answer: T) -> u32 {
        *self.known.entry(answer).or_insert_with(|| {
            self.list.push(answer);
            count(self.list.len() - 1)
        })
    }

    /// The meanings by accept value.
    pub(super) fn into_list(self) -> Vec<T> {
        self.list
    }
}

impl Automaton {
    /// Walks the input from the start: what it means, and whether something below it is protected.
    pub fn walk(&self, input: &[u8]) -> (u32, bool) {
        let state = input.iter().fold(self.start, |state, byte| self.step(state, *byte));
        self.rows
            .get(state as usize)
            .map_or((0, false), |row| (row.accept, row.guarded))
    }

    /// The state after one byte; the dead state for a state or class out of range.
    pub fn step(&self, state: u32, byte: u8) -> u32 {
        let class = self.classes.get(usize::from(byte)).copied().unwrap_or_default();
        self.rows
            .get(state as usize)
            .and_then(|row| row.next.get(usize::from(class)))
            .copied()
            .unwrap_or_default()
    }

    /// The size of its table in 32-bit words.
    pub fn words(&self) -> usize {
        self.rows.len() * (usize::from(self.class_count) + 1)
    }

    /// An automaton for path patterns with an accept value each, the greatest of those that match: for selectors of several policies.
    /// The patterns are those of [`super::LoweredSelector::Exec`].
    pub fn from_globs(patterns: &[(&str, u32)], limits: &Limits) -> Result<Self, LowerError> {
        let mut nfa = Nfa::new();
        for (text, accept) in patterns {
            let pattern = PathPattern::path(text).map_err(|complaint| LowerError {
                code: TOO_LARGE,
                message: format!("`{text}` is not a pattern"),
                reason: complaint.message,
                hint: complaint.hint.unwrap_or_default(),
            })?;
            paths::add(&mut nfa, &pattern, *accept, false);
        }
        let weigh = |accept: u32| dfa::Weight {
            rank: accept + 1,
            columns: 1,
        };
        dfa::build(&nfa, "selectors", limits, &weigh, &mut |tags| {
            tags.iter().copied().max().unwrap_or(0)
        })
    }
}
