//! Labels: a bit of the machine's for each name, kept in the kernel until everything is unloaded.

use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use super::{LabelTable, PolicyTables, TableError, Tables, index_key, read, write};
use crate::abi;

/// Words of what is taken from carriers: for each kind, one for each bit.
pub(super) const RULE_WORDS: u32 = abi::AA_LABEL_KINDS * abi::AA_LABELS;

impl Tables {
    /// The machine's bit of each label, given out where it is new. Bits are not given back: files may still have them.
    pub(super) fn label_bits(&self, labels: &[LabelTable<'_>]) -> Result<Vec<u32>, TableError> {
        let bits: Vec<u32> = labels
            .iter()
            .map(|label| self.label_bit(label.name))
            .collect::<Result<_, _>>()?;
        if !bits.is_empty() {
            // What follows labels begins before the first policy that has any is in force.
            self.follow_labels(true)?;
        }
        Ok(bits)
    }

    /// Whether labels are followed: since the first policy with any.
    pub fn follows_labels(&self) -> Result<bool, TableError> {
        Ok(self.settings()?.labels != 0)
    }

    /// Begins following labels, or ends it where no policy in force has any.
    pub fn follow_labels(&self, follow: bool) -> Result<(), TableError> {
        let mut settings = self.settings()?;
        settings.labels = u32::from(follow);
        write(&self.settings, "settings", &index_key(0), &settings)
    }

    fn label_bit(&self, name: &str) -> Result<u32, TableError> {
        let mut wanted = [0; abi::AA_LABEL_BYTES as usize];
        wanted
            .get_mut(..name.len())
            .filter(|_| !name.is_empty())
            .ok_or(TableError::Inconsistent("the name of a label is empty or too long"))?
            .copy_from_slice(name.as_bytes());
        for bit in 0..abi::AA_LABELS {
            let known: abi::aa_label_name =
                read(&self.label_names, "label_names", &index_key(bit))?.unwrap_or_default();
            if known.name == wanted {
                return Ok(bit);
            }
            if known.name == [0; abi::AA_LABEL_BYTES as usize] {
                let named = abi::aa_label_name { name: wanted };
                write(&self.label_names, "label_names", &index_key(bit), &named)?;
                return Ok(bit);
            }
        }
        Err(TableError::Full {
            map: "label_names",
            capacity: abi::AA_LABELS,
        })
    }

    /// A new agent's processes share no memory yet.
    pub fn forget_labels(&self, agent: u32) -> Result<(), TableError> {
        let none = 0_u32.to_ne_bytes();
        self.shared_labels
            .update(&index_key(agent), &none, MapFlags::ANY)
            .map_err(|source| TableError::Map {
                map: "shared_labels",
                source,
            })
    }
}

/// The tables with the machine's bits in the column of labels, where they differ from the policy's own.
pub(super) fn renumber<'a>(tables: &PolicyTables<'a>, bits: &[u32]) -> Option<PolicyTables<'a>> {
    if bits.iter().zip(0..).all(|(bit, place)| *bit == place) {
        return None;
    }
    let mut tables = tables.clone();
    let columns = abi::AA_COLUMNS as usize;
    let place = abi::AA_COLUMN_LABELS as usize;
    for word in tables.paths.decisions.iter_mut().skip(place).step_by(columns) {
        *word = renumbered(*word, bits);
    }
    Some(tables)
}

fn renumbered(word: u32, bits: &[u32]) -> u32 {
    let given = bits.iter().zip(0_u32..).filter(|(_, place)| word >> place & 1 == 1);
    given.fold(0, |all, (bit, _)| all | 1 << bit)
}

/// The words of what is taken, as the pool has them.
pub(super) fn rules(tables: &PolicyTables<'_>, bits: &[u32]) -> Vec<u32> {
    let mut words = vec![0; RULE_WORDS as usize];
    for (label, bit) in tables.labels.iter().zip(bits) {
        for (decision, kind) in label.taken.iter().zip(0..) {
            if let Some(word) = words.get_mut((kind * abi::AA_LABELS + bit) as usize) {
                *word = *decision;
            }
        }
    }
    words
}

/// For each kind, the bits from which something is taken.
pub(super) fn taken(tables: &PolicyTables<'_>, bits: &[u32]) -> [u32; abi::AA_LABEL_KINDS as usize] {
    let mut taken = [0; abi::AA_LABEL_KINDS as usize];
    for (label, bit) in tables.labels.iter().zip(bits) {
        for (decision, taken) in label.taken.iter().zip(&mut taken) {
            *taken |= u32::from(*decision != 0) << bit;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> PolicyTables<'static> {
        let label = |name, taken| LabelTable { name, taken };
        PolicyTables {
            labels: vec![label("card", [3, 0, 2]), label("secret", [0, 7, 0])],
            ..PolicyTables::default()
        }
    }

    #[test]
    fn a_policys_bits_become_the_machines() {
        assert_eq!(
            [0, 1, 2, 3].map(|word| renumbered(word, &[5, 0])),
            [0, 1 << 5, 1, 1 | 1 << 5]
        );
        assert!(renumber(&tables(), &[0, 1]).is_none());
        let mut own = tables();
        own.paths.decisions = vec![7, 7, 7, 7, 1, 6, 7, 7, 7, 7, 3, 9];
        let column = renumber(&own, &[5, 0]).unwrap().paths.decisions;
        assert_eq!(column, [7, 7, 7, 7, 1 << 5, 6, 7, 7, 7, 7, 1 | 1 << 5, 9]);
    }

    #[test]
    fn what_is_taken_stands_at_its_kind_and_bit() {
        let words = rules(&tables(), &[5, 0]);
        assert_eq!(words.len(), RULE_WORDS as usize);
        assert_eq!((words[5], words[64 + 5], words[32]), (3, 2, 7));
        assert_eq!(words.iter().filter(|word| **word != 0).count(), 3);
        assert_eq!(taken(&tables(), &[5, 0]), [1 << 5, 1, 1 << 5]);
    }
}
