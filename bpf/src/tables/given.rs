//! A policy as it is handed in: what user space has computed, in the kernel's numbers.

use crate::abi;

/// A dense automaton, as user space builds it.
#[derive(Debug, Clone, Default)]
pub struct AutomatonTable<'a> {
    /// Class of each byte.
    pub classes: &'a [u8],
    /// Index of the first row.
    pub start: u32,
    /// Rows, the first of them dead: accepted decision, whether names below are protected, next row by class.
    pub rows: Vec<(u32, bool, &'a [u32])>,
    /// Decision table: entries of `columns` words each, by accepted index.
    pub decisions: Vec<u32>,
    /// Words of a decision.
    pub columns: u32,
}

/// One address prefix with its port ranges `[from, tcp, udp, other]`.
#[derive(Debug, Clone)]
pub struct AddressRow {
    /// Canonical address.
    pub prefix: [u8; 16],
    /// Bits of it that count, 0 to 128.
    pub prefix_bits: u8,
    /// Sorted by `from`; the first is 0.
    pub ranges: Vec<[u32; 4]>,
}

/// A policy ready for the kernel.
#[derive(Debug, Clone, Default)]
pub struct PolicyTables<'a> {
    /// Record verdicts and let pass.
    pub observe: bool,
    /// What its agents send inside TLS is judged before it is encrypted.
    pub blocks_data: bool,
    /// The decision on what they send inside TLS where nobody reads it; 0: there is none.
    pub blind: u32,
    /// Path automaton with [`abi::AA_COLUMNS`] columns.
    pub paths: AutomatonTable<'a>,
    /// Automaton of unix sockets' names, with one column.
    pub sockets: AutomatonTable<'a>,
    /// Argument automaton with one column; `None` if no rule looks at arguments.
    pub argv: Option<AutomatonTable<'a>>,
    /// Decision on addresses when nothing matches.
    pub default_net: u32,
    /// Decision for running a memfd.
    pub memfd: u32,
    /// Decision for running a deleted file.
    pub deleted: u32,
    /// Decisions by the SHA-256 of programs.
    pub contents: Vec<([u8; abi::AA_DIGEST_BYTES as usize], u32)>,
    /// Decisions by [`abi::aa_privilege`], none of them 0.
    pub privileges: [u32; abi::AA_PRIVILEGES as usize],
    /// The decision while the policy is closed, see [`super::Tables::set_opening`]; 0 if it never is.
    pub hours: u32,
    /// What may only be done so often, by [`abi::aa_rate_class`].
    pub rates: [abi::aa_rate; abi::AA_RATES as usize],
    /// What an ask comes to when nobody can be asked: allow, else deny.
    pub otherwise_allow: bool,
    /// Address rules.
    pub addresses: Vec<AddressRow>,
    /// What names decide; `None` where lookups are not the resolver's.
    pub hosts: Option<HostTables>,
    /// The policy's labels; bit N of [`abi::AA_COLUMN_LABELS`] in `paths` is the Nth.
    pub labels: Vec<LabelTable<'a>>,
}

/// A label of a policy.
#[derive(Debug, Clone, Copy)]
pub struct LabelTable<'a> {
    /// Its name, by which policies share it.
    pub name: &'a str,
    /// What is taken from who carries it, by `enum aa_label_kind`; 0: nothing.
    pub taken: [u32; abi::AA_LABEL_KINDS as usize],
}

/// What names decide.
#[derive(Debug, Clone, Default)]
pub struct HostTables {
    /// The decision on lookups, never 0.
    pub dns: u32,
    /// Port ranges of each class of hosts, as in [`AddressRow`]; the number of a class is its place.
    pub classes: Vec<Vec<[u32; 4]>>,
}
