//! The tree over all records: RFC 6962 section 2, with SHA-256. Nothing but hashes is kept, as many as the number of
//! leaves has ones; paths are traced while leaves are added, so that a proof takes one reading of the log and no more
//! memory than that.

use sha2::{Digest, Sha256};

/// A hash of the tree, or of the chain.
pub type Hash = [u8; 32];

/// Of a leaf, whose data is these parts one after the other.
pub fn leaf_hash<const N: usize>(parts: [&[u8]; N]) -> Hash {
    let leaf = Sha256::new().chain_update([0]);
    parts.iter().fold(leaf, Digest::chain_update).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let inner = Sha256::new().chain_update([1]).chain_update(left).chain_update(right);
    inner.finalize().into()
}

/// A tree that only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The roots of the perfect trees it consists of, the largest first.
    peaks: Vec<Hash>,
}

impl Tree {
    /// A tree of which only the peaks are known; `None` unless there are as many as the size has ones.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect trees it consists of, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The hash over all leaves; of no leaves the hash of nothing.
    pub fn root(&self) -> Hash {
        let above = |right: Hash, left: &Hash| node_hash(left, &right);
        let mut peaks = self.peaks.iter().rev();
        let last = peaks.next().copied();
        last.map_or_else(|| Sha256::digest([]).into(), |last| peaks.fold(last, above))
    }
}

/// A growing tree that remembers the way from one node of it to its root.
#[derive(Clone, Debug)]
pub struct Trace {
    tree: Tree,
    /// Which peak holds the node.
    holder: Option<usize>,
    path: Vec<Hash>,
}

impl Trace {
    /// Follows the leaf that is pushed next: what comes of it is an inclusion proof.
    pub fn of_next_leaf(tree: Tree) -> Self {
        let holder = Some(tree.peaks.len());
        Self {
            tree,
            holder,
            path: Vec::new(),
        }
    }

    /// Follows the tree's end as it is now: what comes of it once more was added is a consistency proof.
    pub fn of_end(tree: Tree) -> Self {
        let holder = tree.peaks.len().checked_sub(1);
        // Who has the root of a perfect tree needs not be told it.
        let path = tree.peaks.last().filter(|_| !tree.size.is_power_of_two());
        Self {
            path: path.copied().into_iter().collect(),
            tree,
            holder,
        }
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        let mut held = self.holder == Some(self.tree.peaks.len());
        for _ in 0..self.tree.size.trailing_ones() {
            if let Some(left) = self.tree.peaks.pop() {
                held = self.join(held, &left, &node, self.tree.peaks.len());
                node = node_hash(&left, &node);
            }
        }
        if held {
            self.holder = Some(self.tree.peaks.len());
        }
        self.tree.peaks.push(node);
        self.tree.size += 1;
    }

    /// The tree as far as it has grown.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The path to the root of the tree as it is now.
    pub fn path(&self) -> Vec<Hash> {
        let mut up = self.clone();
        let Some(mut node) = up.tree.peaks.pop() else {
            return Vec::new();
        };
        let mut held = up.holder == Some(up.tree.peaks.len());
        while let Some(left) = up.tree.peaks.pop() {
            held = up.join(held, &left, &node, up.tree.peaks.len());
            node = node_hash(&left, &node);
        }
        up.path
    }

    /// Two nodes become one: what is not on the way belongs to the path.
    fn join(&mut self, right_holds: bool, left: &Hash, right: &Hash, left_place: usize) -> bool {
        if right_holds {
            self.path.push(*left);
        } else if self.holder == Some(left_place) {
            self.path.push(*right);
            return true;
        }
        right_holds
    }
}

/// Whether the path leads from the leaf of this index to the root of a tree of this size (RFC 9162, 2.1.3.2).
pub fn includes(leaf: Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut node) = (index, size - 1, leaf);
    for hash in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            node = node_hash(hash, &node);
            let up = if at & 1 == 0 { at.trailing_zeros() } else { 0 };
            (at, last) = (shift(at, up), shift(last, up));
        } else {
            node = node_hash(&node, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && node == *root
}

/// Whether a tree of `second` leaves begins with the `first` leaves of another (RFC 9162, 2.1.4.2).
pub fn extends(first: (u64, &Hash), second: (u64, &Hash), path: &[Hash]) -> bool {
    let ((first_size, first_root), (second_size, second_root)) = (first, second);
    if first_size == 0 || first_size > second_size {
        return false;
    }
    if first_size == second_size {
        return path.is_empty() && first_root == second_root;
    }
    let (begin, rest) = match path.split_first() {
        Some(_) if first_size.is_power_of_two() => (*first_root, path),
        Some((begin, rest)) => (*begin, rest),
        None => return false,
    };
    let up = (first_size - 1).trailing_ones();
    let (mut at, mut last) = (shift(first_size - 1, up), shift(second_size - 1, up));
    let (mut old, mut new) = (begin, begin);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            let up = if at & 1 == 0 { at.trailing_zeros() } else { 0 };
            (at, last) = (shift(at, up), shift(last, up));
        } else {
            new = node_hash(&new, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old == *first_root && new == *second_root
}

fn shift(number: u64, by: u32) -> u64 {
    number.checked_shr(by).unwrap_or(0)
}
