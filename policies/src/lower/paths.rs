//! The path automaton: four columns decided at once, and the labels; and that of unix sockets.

use super::automaton::{Answers, Automaton};
use super::dfa::{self, LABEL_COLUMN, Weight};
use super::nfa::{Nfa, Step};
use super::{Limits, LowerError};
use crate::glob::{ByteSet, PathPattern, Piece, is_anchored};
use crate::labels;
use crate::policy::Policy;
use crate::rule::{Column, Rule};
use crate::verdict::{Decision, PathDecision, RuleId};

/// Makes the automaton and what its accept values mean.
pub(super) fn lower(policy: &Policy, limits: &Limits) -> Result<(Automaton, Vec<PathDecision>), LowerError> {
    let mut nfa = Nfa::new();
    let mut weights = Vec::with_capacity(policy.rules.len());
    for rule in &policy.rules {
        let columns = Column::ALL
            .into_iter()
            .enumerate()
            .filter(|(_, column)| rule.column(*column).is_some());
        weights.push(Weight {
            rank: rule.rank + 1,
            columns: columns.fold(u8::from(rule.label().is_some()) << LABEL_COLUMN, |bits, (place, _)| {
                bits | 1 << place
            }),
        });
        if let Some(pattern) = rule.path() {
            add(&mut nfa, pattern, rule.id.0, rule.guards());
        }
    }
    let mut answers = Answers::new(policy.defaults().path());
    let weigh = |tag: u32| weights.get(tag as usize).copied().unwrap_or_default();
    let automaton = dfa::build(&nfa, "paths", limits, &weigh, &mut |tags| {
        answers.value(decide(policy, tags))
    })?;
    Ok((automaton, answers.into_list()))
}

/// The same for unix sockets: paths, and `@name` for abstract ones. Apart from files, so that the patterns of the ones never multiply
/// the states of the others.
pub(super) fn lower_sockets(policy: &Policy, limits: &Limits) -> Result<(Automaton, Vec<Decision>), LowerError> {
    let mut nfa = Nfa::new();
    for rule in &policy.rules {
        if let Some(pattern) = rule.socket() {
            add(&mut nfa, pattern, rule.id.0, false);
        }
    }
    let mut answers = Answers::new(policy.defaults().net);
    let weigh = |tag: u32| Weight {
        rank: policy.rule(RuleId(tag)).map_or(0, |rule| rule.rank + 1),
        columns: 1,
    };
    let automaton = dfa::build(&nfa, "unix sockets", limits, &weigh, &mut |tags| {
        let matching = tags.iter().filter_map(|tag| policy.rule(RuleId(*tag)));
        let best = matching.max_by_key(|rule| rule.rank);
        answers.value(best.map_or(policy.defaults().net, Rule::decision))
    })?;
    Ok((automaton, answers.into_list()))
}

fn decide(policy: &Policy, tags: &[u32]) -> PathDecision {
    let defaults = policy.defaults();
    let best = |column: Column| {
        let matching = tags.iter().filter_map(|tag| policy.rule(RuleId(*tag)));
        matching
            .filter(|rule| rule.column(column).is_some())
            .max_by_key(|rule| rule.rank)
            .map_or(defaults.column(column), Rule::decision)
    };
    let labelling = || {
        let matching = tags.iter().filter_map(|tag| policy.rule(RuleId(*tag)));
        matching.filter_map(|rule| {
            rule.label()
                .map(|(label, _)| (rule, labels::bit(&policy.labels, label)))
        })
    };
    PathDecision {
        labels: labelling().fold(0, |bits, (_, bit)| bits | bit),
        labelled_by: labelling()
            .max_by_key(|(rule, _)| rule.rank)
            .map_or(Decision::NONE, |(rule, _)| rule.decision()),
        read: best(Column::Read),
        write: best(Column::Write),
        exec: best(Column::Exec),
        load: best(Column::Load),
    }
}

/// Adds a pattern; `guards` marks the way of its anchored alternatives.
pub(super) fn add(nfa: &mut Nfa, pattern: &PathPattern, tag: u32, guards: bool) {
    for pieces in &pattern.alternatives {
        add_pieces(nfa, pieces, tag, guards && is_anchored(pieces));
    }
}

fn add_pieces(nfa: &mut Nfa, pieces: &[Piece], tag: u32, guards: bool) {
    let not_slash = ByteSet::all_but(b"/");
    let mut node = Nfa::ROOT;
    for piece in pieces {
        let next = match piece {
            Piece::Byte(byte) => nfa.child(node, Step::Byte(*byte)),
            Piece::AnyByte => nfa.child(node, Step::Set(not_slash)),
            Piece::Class(set) => nfa.child(node, Step::Set(*set)),
            Piece::Star => nfa.child(node, Step::Loop(not_slash)),
            Piece::Any => nfa.child(node, Step::Loop(ByteSet::ALL)),
            Piece::Deep => {
                let inside = nfa.child(node, Step::Rest(b'/'));
                let known = nfa.nodes.len();
                let after = nfa.child(inside, Step::AfterDeep);
                if nfa.nodes.len() > known {
                    nfa.edit(inside, |inside| inside.bytes.push((b'/', after)));
                    nfa.edit(node, |node| node.bytes.push((b'/', after)));
                }
                if guards {
                    nfa.edit(inside, |inside| inside.guards = true);
                }
                after
            }
            Piece::Below => {
                nfa.tag(node, tag);
                nfa.child(node, Step::Rest(b'/'))
            }
        };
        if guards {
            nfa.edit(next, |next| next.guards = true);
        }
        node = next;
    }
    nfa.tag(node, tag);
}
