//! Subset construction: one state for each set of places the patterns can be at.

use super::automaton::Automaton;
use super::minimise::minimise;
use super::nfa::Nfa;
use super::{Limits, LowerError, TOO_LARGE};
use crate::glob::ByteSet;
use crate::syntax::count;
use std::collections::HashMap;

/// How a tag competes: in which columns, and which wins there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// From 1 up; greater wins.
    pub(super) rank: u32,
    pub(super) columns: u8,
}

/// The best rank by column; 0 is none.
type Ranks = [u32; 5];

/// Labels add up instead of outranking each other: what can still give one always counts.
pub(super) const LABEL_COLUMN: usize = 4;

/// A table before it is minimised: `rows` holds `classes` words for each state.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) class_of: Vec<u8>,
    pub(super) classes: usize,
    pub(super) start: u32,
    pub(super) rows: Vec<u32>,
    pub(super) accepts: Vec<u32>,
    pub(super) guarded: Vec<bool>,
}

/// Builds and minimises. `payload` gives the accept value for the tags of a state.
pub(super) fn build(
    nfa: &Nfa,
    what: &str,
    limits: &Limits,
    weigh: &dyn Fn(u32) -> Weight,
    payload: &mut dyn FnMut(&[u32]) -> u32,
) -> Result<Automaton, LowerError> {
    let table = Subsets::new(nfa, weigh).run(what, limits, payload)?;
    let automaton = minimise(table);
    if automaton.words() > limits.max_automaton_words {
        return Err(too_large(what, automaton.words(), limits));
    }
    Ok(automaton)
}

/// States at which a table counts as exploding, however narrow its rows: ten thousand path rules make about 117,000.
const MAX_STATES: usize = 160_000;

fn too_large(what: &str, words: usize, limits: &Limits) -> LowerError {
    LowerError {
        code: TOO_LARGE,
        message: format!("the table of {what} becomes too large"),
        reason: format!(
            "it needs at least {words} words, the limit is {}",
            limits.max_automaton_words
        ),
        hint:
            "the costliest patterns have `**` or `*` before several `?`, `*` or long words; write fewer of these, or \
               anchor them (`$work/**/x` instead of `**/x`)"
                .to_owned(),
    }
}

struct Subsets<'nfa> {
    nfa: &'nfa Nfa,
    class_of: Vec<u8>,
    classes: usize,
    /// The classes of each byte set, as bits.
    masks: HashMap<ByteSet, ByteSet>,
    /// The best a node and all after it can still reach.
    potential: Vec<Ranks>,
    known: HashMap<Box<[u32]>, u32>,
    sets: Vec<Box<[u32]>>,
}

impl<'nfa> Subsets<'nfa> {
    fn new(nfa: &'nfa Nfa, weigh: &dyn Fn(u32) -> Weight) -> Self {
        let (class_of, classes, masks) = byte_classes(nfa);
        let potential = potentials(nfa, weigh);
        Self {
            nfa,
            class_of,
            classes,
            masks,
            potential,
            known: HashMap::new(),
            sets: Vec::new(),
        }
    }

    fn run(mut self, what: &str, limits: &Limits, payload: &mut dyn FnMut(&[u32]) -> u32) -> Result<Table, LowerError> {
        // Minimising may halve a table, not save one that explodes.
        let max_states = limits.max_automaton_words.saturating_mul(2) / (self.classes + 1);
        let max_states = max_states.clamp(64, MAX_STATES);
        self.intern(Vec::new());
        let mut first = Vec::new();
        self.nfa.close(Nfa::ROOT, &mut first);
        let start = self.intern(first);
        let (mut rows, mut accepts, mut guarded) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(set) = self.sets.get(at).cloned() {
            self.row(&set, &mut rows);
            let mut tags: Vec<u32> = self.nodes(&set).flat_map(|node| node.tags.iter().copied()).collect();
            tags.sort_unstable();
            tags.dedup();
            accepts.push(if tags.is_empty() { 0 } else { payload(&tags) });
            guarded.push(self.is_guarded(&set));
            at += 1;
            if self.sets.len() > max_states {
                return Err(too_large(what, self.sets.len() * (self.classes + 1) / 2, limits));
            }
        }
        Ok(Table {
            class_of: self.class_of,
            classes: self.classes,
            start,
            rows,
            accepts,
            guarded,
        })
    }

    fn nodes(&self, set: &[u32]) -> impl Iterator<Item = &'nfa super::nfa::Node> {
        let nodes = &self.nfa.nodes;
        set.iter()
            .filter_map(move |node| nodes.get(*node as usize))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Whether a slash leads on along a guarding pattern.
    fn is_guarded(&self, set: &[u32]) -> bool {
        let guards = |node: u32| self.nfa.nodes.get(node as usize).is_some_and(|node| node.guards);
        self.nodes(set).any(|node| {
            node.guards && node.repeats.is_some_and(|set| set.has(b'/'))
                || node.bytes.iter().any(|(byte, next)| *byte == b'/' && guards(*next))
        })
    }

    /// Appends the row of a set of nodes.
    fn row(&mut self, set: &[u32], rows: &mut Vec<u32>) {
        let mut single: Vec<(u8, u32)> = Vec::new();
        let mut shared: Vec<(ByteSet, u32)> = Vec::new();
        for (place, node) in set.iter().zip(self.nodes(set)) {
            single.extend(node.bytes.iter().map(|(byte, next)| (self.class(*byte), *next)));
            shared.extend(node.repeats.iter().map(|set| (self.mask(set), *place)));
            shared.extend(node.sets.iter().map(|(set, next)| (self.mask(set), *next)));
        }
        single.sort_unstable();
        let mut single = single.as_slice();
        let mut memo: Vec<(u64, u32)> = Vec::new();
        for class in 0..count(self.classes) {
            let class = u8::try_from(class).unwrap_or(u8::MAX);
            let mine = single.iter().take_while(|(its, _)| *its == class).count();
            let (now, later) = single.split_at(mine);
            single = later;
            let bits = shared
                .iter()
                .enumerate()
                .filter(|(_, (mask, _))| mask.has(class))
                .fold(0u64, |bits, (place, _)| bits | 1 << (place & 63));
            let memorable = now.is_empty() && shared.len() <= 64;
            if memorable && let Some((_, state)) = memo.iter().find(|(key, _)| *key == bits) {
                rows.push(*state);
                continue;
            }
            let mut next = Vec::new();
            for (_, target) in now {
                self.nfa.close(*target, &mut next);
            }
            for (_, target) in shared.iter().filter(|(mask, _)| mask.has(class)) {
                self.nfa.close(*target, &mut next);
            }
            let state = self.intern(next);
            if memorable {
                memo.push((bits, state));
            }
            rows.push(state);
        }
    }

    fn class(&self, byte: u8) -> u8 {
        self.class_of.get(usize::from(byte)).copied().unwrap_or_default()
    }

    fn mask(&self, set: &ByteSet) -> ByteSet {
        self.masks.get(set).copied().unwrap_or_default()
    }

    fn intern(&mut self, mut set: Vec<u32>) -> u32 {
        set.sort_unstable();
        set.dedup();
        if set.len() > 1 {
            self.drop_outranked(&mut set);
        }
        let set = set.into_boxed_slice();
        if let Some(state) = self.known.get(&set) {
            return *state;
        }
        let state = count(self.sets.len());
        self.known.insert(set.clone(), state);
        self.sets.push(set);
        state
    }

    /// Removes nodes that can no longer win anywhere: what is accepted whatever follows outranks all they can still reach.
    fn drop_outranked(&self, set: &mut Vec<u32>) {
        let ranks = |node: u32| self.potential.get(node as usize).copied().unwrap_or_default();
        let body = |node: u32| self.nfa.nodes.get(node as usize);
        let settled = |node: u32| {
            body(node).is_some_and(|body| {
                !body.tags.is_empty()
                    && body.repeats == Some(ByteSet::ALL)
                    && body.bytes.is_empty()
                    && body.sets.is_empty()
                    && body.empty.is_empty()
            })
        };
        let mut best = Ranks::default();
        for node in set.iter().filter(|node| settled(**node)) {
            best.iter_mut()
                .zip(ranks(*node))
                .for_each(|(best, rank)| *best = (*best).max(rank));
        }
        if best == Ranks::default() {
            return;
        }
        let guards = |node: u32| body(node).is_some_and(|body| body.guards);
        let wins = |node: u32| {
            let equal = settled(node);
            if ranks(node).get(LABEL_COLUMN).is_some_and(|rank| *rank > 0) {
                return true;
            }
            ranks(node)
                .iter()
                .zip(best)
                .any(|(rank, best)| *rank > best || equal && *rank > 0 && *rank == best)
        };
        // Everything below a guarding settled node is guarded; one such node is enough.
        let guarded = set.iter().any(|node| settled(*node) && guards(*node) && wins(*node));
        set.retain(|node| wins(*node) || !guarded && guards(*node));
    }
}

fn potentials(nfa: &Nfa, weigh: &dyn Fn(u32) -> Weight) -> Vec<Ranks> {
    let mut potential = vec![Ranks::default(); nfa.nodes.len()];
    for (place, node) in nfa.nodes.iter().enumerate().rev() {
        let mut ranks = potential.get(place).copied().unwrap_or_default();
        for tag in &node.tags {
            let Weight { rank, columns } = weigh(*tag);
            let taken = ranks
                .iter_mut()
                .enumerate()
                .filter(|(column, _)| columns >> column & 1 == 1);
            taken.for_each(|(_, best)| *best = (*best).max(rank));
        }
        if let Some(own) = potential.get_mut(place) {
            *own = ranks;
        }
        if let Some(parent) = potential.get_mut(node.parent as usize) {
            parent
                .iter_mut()
                .zip(ranks)
                .for_each(|(best, rank)| *best = (*best).max(rank));
        }
    }
    for (place, node) in nfa.nodes.iter().enumerate() {
        if let Some(back) = node.back.and_then(|back| potential.get(back as usize).copied())
            && let Some(own) = potential.get_mut(place)
        {
            *own = back;
        }
    }
    potential
}

/// Bytes no pattern tells apart share a class.
fn byte_classes(nfa: &Nfa) -> (Vec<u8>, usize, HashMap<ByteSet, ByteSet>) {
    let mut singles = ByteSet::default();
    let mut masks: HashMap<ByteSet, ByteSet> = HashMap::new();
    for node in &nfa.nodes {
        node.bytes.iter().for_each(|(byte, _)| singles.insert(*byte));
        for set in node.sets.iter().map(|(set, _)| set).chain(&node.repeats) {
            masks.entry(*set).or_default();
        }
    }
    // The slash decides whether a state is guarded.
    singles.insert(b'/');
    let sets: Vec<ByteSet> = masks.keys().copied().collect();
    let mut known: HashMap<(Option<u8>, Vec<bool>), u8> = HashMap::new();
    let mut class_of = Vec::with_capacity(256);
    for byte in 0..=u8::MAX {
        let key = (
            singles.has(byte).then_some(byte),
            sets.iter().map(|set| set.has(byte)).collect(),
        );
        let next = u8::try_from(known.len()).unwrap_or(u8::MAX);
        class_of.push(*known.entry(key).or_insert(next));
    }
    for (set, mask) in &mut masks {
        for (byte, class) in (0..=u8::MAX).zip(&class_of) {
            if set.has(byte) {
                mask.insert(*class);
            }
        }
    }
    (class_of, known.len(), masks)
}
