//! A nondeterministic automaton whose patterns share their beginnings.

use crate::glob::ByteSet;
use crate::syntax::count;
use std::collections::HashMap;

/// What leads from a node to a child; the same step from the same node leads to the same child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Byte(u8),
    Set(ByteSet),
    /// A child that repeats bytes of a set, entered without input.
    Loop(ByteSet),
    /// A child that has read this byte and repeats any bytes.
    Rest(u8),
    /// The child after `/**/`.
    AfterDeep,
    /// The end of a pattern that allows nothing further.
    End(u8),
    /// A child entered without input, one for each kind.
    Branch(u8),
}

#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) bytes: Vec<(u8, u32)>,
    pub(super) sets: Vec<(ByteSet, u32)>,
    pub(super) repeats: Option<ByteSet>,
    pub(super) empty: Vec<u32>,
    pub(super) tags: Vec<u32>,
    /// Whether an anchored asking or denying pattern passes here.
    pub(super) guards: bool,
    pub(super) parent: u32,
    /// For nodes that come back to another one: that one.
    pub(super) back: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Nfa {
    pub(super) nodes: Vec<Node>,
    children: HashMap<(u32, Step), u32>,
}

impl Nfa {
    pub(super) const ROOT: u32 = 0;

    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            children: HashMap::new(),
        }
    }

    pub(super) fn node(&mut self, parent: u32) -> u32 {
        self.nodes.push(Node {
            parent,
            ..Node::default()
        });
        count(self.nodes.len() - 1)
    }

    pub(super) fn edit(&mut self, node: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(node as usize) {
            change(node);
        }
    }

    pub(super) fn child(&mut self, node: u32, step: Step) -> u32 {
        if let Some(child) = self.children.get(&(node, step)) {
            return *child;
        }
        let child = self.node(node);
        self.children.insert((node, step), child);
        match step {
            Step::Byte(byte) | Step::End(byte) => self.edit(node, |node| node.bytes.push((byte, child))),
            Step::Set(set) => self.edit(node, |node| node.sets.push((set, child))),
            Step::Loop(set) => {
                self.edit(node, |node| node.empty.push(child));
                self.edit(child, |child| child.repeats = Some(set));
            }
            Step::Rest(byte) => {
                self.edit(node, |node| node.bytes.push((byte, child)));
                self.edit(child, |child| child.repeats = Some(ByteSet::ALL));
            }
            // The caller adds the edges.
            Step::AfterDeep => {}
            Step::Branch(_) => self.edit(node, |node| node.empty.push(child)),
        }
        child
    }

    pub(super) fn tag(&mut self, node: u32, tag: u32) {
        self.edit(node, |node| {
            if node.tags.last() != Some(&tag) {
                node.tags.push(tag);
            }
        });
    }

    /// Adds a node and those entered from it without input, if they matter by themselves.
    pub(super) fn close(&self, node: u32, set: &mut Vec<u32>) {
        let Some(body) = self.nodes.get(node as usize) else {
            return;
        };
        let matters =
            !body.bytes.is_empty() || !body.sets.is_empty() || body.repeats.is_some() || !body.tags.is_empty();
        if matters {
            set.push(node);
        }
        for next in &body.empty {
            self.close(*next, set);
        }
    }
}
