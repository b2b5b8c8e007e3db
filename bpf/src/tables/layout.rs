//! How tables lie in an extent of the pool: `struct aa_automaton` in `abi/policy.h` says what the kernel reads.

use std::collections::BTreeMap;

use super::{AutomatonTable, PolicyTables, TableError};
use crate::abi;

pub(super) fn automaton_words(table: &AutomatonTable<'_>) -> Result<u32, TableError> {
    if table.classes.len() != 256 || table.rows.is_empty() {
        return Err(TableError::Inconsistent(
            "an automaton has 256 byte classes and at least one row",
        ));
    }
    let row = table.rows.first().map_or(0, |row| row.2.len()) + 1;
    if table.rows.iter().any(|other| other.2.len() + 1 != row) {
        return Err(TableError::Inconsistent("rows of an automaton are equally long"));
    }
    let rows = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
    let inside = |next: &u32| *next < rows;
    if table
        .rows
        .first()
        .is_none_or(|dead| dead.0 != 0 || dead.1 || dead.2.iter().any(|next| *next != 0))
    {
        return Err(TableError::Inconsistent("the first row of an automaton is dead"));
    }
    if table.start >= rows || !table.rows.iter().all(|row| row.2.iter().all(inside)) {
        return Err(TableError::Inconsistent("an automaton leads outside of itself"));
    }
    if table.classes.iter().any(|class| usize::from(*class) + 1 >= row) {
        return Err(TableError::Inconsistent("a byte class of an automaton has no column"));
    }
    let accepted = table.decisions.len() / (table.columns.max(1) as usize);
    if table.rows.iter().any(|row| row.0 as usize >= accepted) {
        return Err(TableError::Inconsistent("an automaton accepts what has no decision"));
    }
    let words = abi::AA_CLASS_WORDS as usize + table.rows.len() * row + table.decisions.len();
    u32::try_from(words).map_err(|_| TableError::Inconsistent("an automaton is too large"))
}

/// Writes the automaton for the pool's word `start` and says where its parts are, in bytes.
pub(super) fn fill_automaton(table: &AutomatonTable<'_>, start: u32, content: &mut Vec<u32>) -> abi::aa_automaton {
    let row_words = table.rows.first().map_or(0, |row| row.2.len() + 1);
    let row_words = u32::try_from(row_words).unwrap_or(0);
    let rows_at = start + abi::AA_CLASS_WORDS;
    // Two classes a word, the lower half first: the kernel reads 16-bit entries. An entry skips the accept word.
    content.extend(table.classes.chunks(2).map(|pair| {
        let entry = |class: Option<&u8>| (u32::from(class.copied().unwrap_or(0)) + 1) * 4;
        u32::from_ne_bytes(native_halves(entry(pair.first()), entry(pair.get(1))))
    }));
    // Row 0 is dead; it stands once for all at the beginning of the pool, where a walk can see that it is lost.
    let place = |row: u32| if row == 0 { 0 } else { (rows_at + row * row_words) * 4 };
    for (accept, guarded, next) in &table.rows {
        content.push(accept | if *guarded { abi::AA_ACCEPT_GUARDED } else { 0 });
        content.extend(next.iter().map(|row| place(*row)));
    }
    let accepts = rows_at + u32::try_from(table.rows.len()).unwrap_or(0) * row_words;
    content.extend(&table.decisions);
    abi::aa_automaton {
        classes: start * 4,
        start: place(table.start),
        accepts: accepts * 4,
        columns: table.columns,
    }
}

fn native_halves(first: u32, second: u32) -> [u8; 4] {
    let (first, second) = (
        u16::try_from(first).unwrap_or(0).to_ne_bytes(),
        u16::try_from(second).unwrap_or(0).to_ne_bytes(),
    );
    [first[0], first[1], second[0], second[1]]
}

/// The port ranges of each class of hosts.
fn classes<'tables>(tables: &'tables PolicyTables<'_>) -> impl Iterator<Item = &'tables Vec<[u32; 4]>> {
    tables.hosts.iter().flat_map(|hosts| &hosts.classes)
}

/// Where the parts of a policy go within its extent.
pub(super) struct Layout {
    pub(super) paths: abi::aa_automaton,
    pub(super) sockets: abi::aa_automaton,
    pub(super) argv: abi::aa_automaton,
    pub(super) ranges: Vec<(u32, u32)>,
    /// Place and number of the classes of hosts.
    pub(super) hosts: (u32, u32),
    /// Place of what is taken from carriers of labels.
    pub(super) label_rules: u32,
    words: u32,
}

impl Layout {
    pub(super) fn new(tables: &PolicyTables<'_>) -> Result<Self, TableError> {
        let too_large = || TableError::Inconsistent("a policy is too large");
        let mut words = automaton_words(&tables.paths)?;
        for table in [Some(&tables.sockets), tables.argv.as_ref()].into_iter().flatten() {
            words = words.checked_add(automaton_words(table)?).ok_or_else(too_large)?;
        }
        if tables.addresses.iter().any(|row| row.prefix_bits > 128) {
            return Err(TableError::Inconsistent("the prefix of an address is too long"));
        }
        if tables.hosts.as_ref().is_some_and(|hosts| hosts.dns == 0) {
            return Err(TableError::Inconsistent("hosts without a decision on lookups"));
        }
        for ranges in tables.addresses.iter().map(|row| &row.ranges).chain(classes(tables)) {
            if ranges.len() > abi::AA_MAX_PORT_RANGES as usize {
                return Err(TableError::Inconsistent("an address or host has too many port ranges"));
            }
            let count = u32::try_from(ranges.len()).unwrap_or(u32::MAX);
            words = words.checked_add(count.saturating_mul(4)).ok_or_else(too_large)?;
        }
        let table = u32::try_from(classes(tables).count() * 2).map_err(|_| too_large())?;
        words = words.checked_add(table).ok_or_else(too_large)?;
        if !tables.labels.is_empty() {
            words = words.checked_add(super::labels::RULE_WORDS).ok_or_else(too_large)?;
        }
        let none = abi::aa_automaton::default();
        Ok(Self {
            paths: none,
            sockets: none,
            argv: none,
            ranges: Vec::new(),
            hosts: (0, 0),
            label_rules: 0,
            words,
        })
    }

    pub(super) fn words(&self) -> Result<u32, TableError> {
        if self.words == 0 {
            Err(TableError::Inconsistent("a policy is empty"))
        } else {
            Ok(self.words)
        }
    }

    /// The extent's content, equal port lists written once.
    pub(super) fn fill<'tables>(
        &mut self,
        tables: &'tables PolicyTables<'_>,
        label_rules: &[u32],
        start: u32,
    ) -> Vec<u32> {
        let mut content = Vec::with_capacity(self.words as usize);
        let place = |table: &AutomatonTable<'_>, content: &mut Vec<u32>| {
            let at = start + u32::try_from(content.len()).unwrap_or(0);
            fill_automaton(table, at, content)
        };
        self.paths = place(&tables.paths, &mut content);
        self.sockets = place(&tables.sockets, &mut content);
        if let Some(argv) = &tables.argv {
            self.argv = place(argv, &mut content);
        }
        let mut known: BTreeMap<&[[u32; 4]], u32> = BTreeMap::new();
        let mut store = |ranges: &'tables [[u32; 4]], content: &mut Vec<u32>| {
            let at = *known.entry(ranges).or_insert_with(|| {
                let at = start + u32::try_from(content.len()).unwrap_or(0);
                content.extend(ranges.iter().flatten());
                at
            });
            (at * 4, u32::try_from(ranges.len()).unwrap_or(0))
        };
        for row in &tables.addresses {
            self.ranges.push(store(&row.ranges, &mut content));
        }
        let placed: Vec<(u32, u32)> = classes(tables).map(|ranges| store(ranges, &mut content)).collect();
        let at = start + u32::try_from(content.len()).unwrap_or(0);
        self.hosts = (at * 4, u32::try_from(placed.len()).unwrap_or(0));
        content.extend(placed.iter().flat_map(|(place, count)| [place, count]));
        if !tables.labels.is_empty() {
            self.label_rules = (start + u32::try_from(content.len()).unwrap_or(0)) * 4;
            content.extend(label_rules);
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: [u32; 2] = [0, 0];
    const LIVE: [u32; 2] = [0, 1];

    /// Accepts a run of bytes of class 1 with decision 1.
    fn table(classes: &[u8]) -> AutomatonTable<'_> {
        AutomatonTable {
            classes,
            start: 1,
            rows: vec![(0, false, &DEAD), (1, true, &LIVE)],
            decisions: vec![10, 11],
            columns: 1,
        }
    }

    #[test]
    fn an_automaton_lies_as_the_kernel_reads_it() {
        let mut classes = [0; 256];
        classes[1] = 1;
        let mut words = Vec::new();
        let placed = fill_automaton(&table(&classes), 1000, &mut words);
        assert_eq!(automaton_words(&table(&classes)).unwrap() as usize, words.len());
        let at = |place: u32| words[(place / 4 - 1000) as usize];
        // The entry of byte 1 is the upper half of the first class word; it skips the accept word of a row.
        assert_eq!(at(placed.classes).to_ne_bytes(), native_halves(4, 8));
        assert_eq!(at(placed.start), 1 | abi::AA_ACCEPT_GUARDED);
        assert_eq!([at(placed.start + 4), at(placed.start + 8)], [0, placed.start]);
        assert_eq!([at(placed.accepts), at(placed.accepts + 4)], [10, 11]);
    }

    #[test]
    fn an_automaton_that_leads_out_of_its_words_is_refused() {
        let spoil: [fn(&mut AutomatonTable<'_>); 6] = [
            |table| table.start = 2,
            |table| table.rows[1].2 = &[0, 2],
            |table| table.rows[1].2 = &[0],
            |table| table.rows[0].0 = 1,
            |table| table.rows[1].0 = 2,
            |table| table.classes = &[2; 256],
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let mut spoilt = table(&[0; 256]);
            assert!(automaton_words(&spoilt).is_ok());
            spoil(&mut spoilt);
            assert!(
                automaton_words(&spoilt).is_err(),
                "spoiling number {number} is not noticed"
            );
        }
    }
}
