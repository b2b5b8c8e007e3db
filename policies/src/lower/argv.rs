//! The argument automaton. Input: the program's name, NUL, each argument with a NUL after it.

use super::automaton::{Answers, Automaton};
use super::dfa::{self, Weight};
use super::nfa::{Nfa, Step};
use super::{Limits, LowerError};
use crate::argv::{ArgvPattern, Tool, Word, WordPiece};
use crate::glob::ByteSet;
use crate::policy::Policy;
use crate::verdict::{Decision, RuleId, Verdict};
use std::collections::{BTreeMap, HashSet};

/// Makes the automaton and what its accept values mean.
pub(super) fn lower(policy: &Policy, limits: &Limits) -> Result<(Automaton, Vec<Decision>), LowerError> {
    let mut builder = Builder {
        nfa: Nfa::new(),
        skipping: HashSet::new(),
    };
    for rule in &policy.rules {
        if let Some(pattern) = rule.argv() {
            builder.add(pattern, rule.verdict, rule.id.0);
        }
    }
    let mut answers = Answers::new(Decision::NONE);
    let weigh = |tag: u32| Weight {
        rank: policy.rule(RuleId(tag)).map_or(0, |rule| rule.rank + 1),
        columns: 1,
    };
    let automaton = dfa::build(&builder.nfa, "program arguments", limits, &weigh, &mut |tags| {
        let best = tags
            .iter()
            .filter_map(|tag| policy.rule(RuleId(*tag)))
            .max_by_key(|rule| rule.rank);
        answers.value(best.map_or(Decision::NONE, |rule| Decision::new(rule.verdict, true, Some(rule.id))))
    })?;
    Ok((automaton, answers.into_list()))
}

const NUL: u8 = 0;

struct Builder {
    nfa: Nfa,
    /// Nodes between words that already pass over options.
    skipping: HashSet<u32>,
}

impl Builder {
    fn add(&mut self, pattern: &ArgvPattern, verdict: Verdict, tag: u32) {
        let strict = verdict >= Verdict::Ask;
        for program in &pattern.programs {
            let mut node = self.word(Nfa::ROOT, program);
            for (number, word) in pattern.words.iter().enumerate() {
                let mut gap = self.nfa.child(node, Step::Byte(NUL));
                if number == 0 {
                    gap = self.nfa.child(gap, Step::Branch(u8::from(strict)));
                }
                if self.skipping.insert(gap) {
                    self.skips(gap, pattern.tool, strict, number == 0);
                }
                node = self.word(gap, word);
            }
            let end = if pattern.open { Step::Rest(NUL) } else { Step::End(NUL) };
            let end = self.nfa.child(node, end);
            self.nfa.tag(end, tag);
        }
    }

    fn word(&mut self, mut node: u32, word: &Word) -> u32 {
        let not_nul = ByteSet::all_but(&[NUL]);
        for piece in &word.0 {
            let step = match piece {
                WordPiece::Byte(byte) => Step::Byte(*byte),
                WordPiece::AnyByte => Step::Set(not_nul),
                WordPiece::Star => Step::Loop(not_nul),
            };
            node = self.nfa.child(node, step);
        }
        node
    }

    /// Lets the node pass over options, as [`ArgvPattern::matches`] does.
    fn skips(&mut self, gap: u32, tool: Option<&'static Tool>, strict: bool, first: bool) {
        let rest = self.token_rest(gap);
        let Some(tool) = tool else {
            if strict {
                self.prefixed(gap, b'-', rest);
            }
            return;
        };
        if first && tool.plus {
            self.prefixed(gap, b'+', rest);
        }
        if !strict {
            self.harmless(gap, tool, rest);
            return;
        }
        self.options(gap, tool, first, rest);
        if first && tool.assignments {
            self.assignments(gap, rest);
        }
    }

    /// A node that belongs to the passing over at `gap`.
    fn aside(&mut self, gap: u32) -> u32 {
        let node = self.nfa.node(gap);
        self.nfa.edit(node, |node| node.back = Some(gap));
        node
    }

    /// A node that reads the rest of a token and comes back.
    fn token_rest(&mut self, gap: u32) -> u32 {
        let node = self.aside(gap);
        self.nfa.edit(node, |node| {
            node.repeats = Some(ByteSet::all_but(&[NUL]));
            node.bytes.push((NUL, gap));
        });
        node
    }

    /// Tokens of two bytes or more that begin with `byte`.
    fn prefixed(&mut self, gap: u32, byte: u8, rest: u32) {
        let second = self.aside(gap);
        self.nfa.edit(gap, |gap| gap.bytes.push((byte, second)));
        self.nfa
            .edit(second, |second| second.sets.push((ByteSet::all_but(&[NUL]), rest)));
    }

    fn assignments(&mut self, gap: u32, rest: u32) {
        let name = self.aside(gap);
        let mut letters = ByteSet::default();
        (0..=u8::MAX)
            .filter(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            .for_each(|byte| letters.insert(byte));
        let mut all = letters;
        (b'0'..=b'9').for_each(|byte| all.insert(byte));
        self.nfa.edit(gap, |gap| gap.sets.push((letters, name)));
        self.nfa.edit(name, |name| {
            name.repeats = Some(all);
            name.bytes.push((b'=', rest));
        });
    }

    /// Known options with their value, and nothing else.
    fn harmless(&mut self, gap: u32, tool: &'static Tool, rest: u32) {
        for option in tool.harmless {
            let mut node = gap;
            for byte in option.bytes() {
                let next = self.aside(gap);
                self.nfa.edit(node, |node| node.bytes.push((byte, next)));
                node = next;
            }
            let long = option.starts_with("--");
            self.nfa.edit(node, |node| {
                node.bytes.push((NUL, rest));
                if long {
                    node.bytes.push((b'=', rest));
                }
            });
        }
    }

    /// Any option; one that takes a value goes with it. A trie of the latter, with every byte that leaves it leading to `rest`.
    fn options(&mut self, gap: u32, tool: &'static Tool, first: bool, rest: u32) {
        let mut trie: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let dash = self.aside(gap);
        self.nfa.edit(gap, |gap| gap.bytes.push((b'-', dash)));
        trie.insert(b"-".to_vec(), dash);
        for option in tool.valued() {
            let mut prefix = vec![b'-'];
            let mut node = dash;
            for byte in option.bytes().skip(1) {
                prefix.push(byte);
                let known = trie.get(&prefix).copied();
                let next = known.unwrap_or_else(|| self.aside(gap));
                if known.is_none() {
                    trie.insert(prefix.clone(), next);
                    self.nfa.edit(node, |node| node.bytes.push((byte, next)));
                }
                node = next;
            }
        }
        for (prefix, node) in trie {
            let valued = tool.valued().any(|option| option.as_bytes() == prefix);
            self.nfa.edit(node, |node| {
                let mut inner: Vec<u8> = node.bytes.iter().map(|(byte, _)| *byte).collect();
                inner.push(NUL);
                node.sets.push((ByteSet::all_but(&inner), rest));
                if valued {
                    node.bytes.push((NUL, rest));
                }
                if prefix.len() > 1 && (!valued || !first) {
                    node.bytes.push((NUL, gap));
                }
            });
        }
    }
}
