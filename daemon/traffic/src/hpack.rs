//! HPACK (RFC 7541), for one who only listens.
//!
//! Not a library, because those give up where a listener may not: what was said before we listened, or was lost, leaves entries of the
//! table that we do not know. New entries come before these and count from the newest, so that what was added since is known by the same
//! indices as ever. How large the sender's table is, its blocks say themselves (6.3): settings need not be followed. A table that is larger than we keep is the same: its oldest entries are unknown.

pub(crate) mod huffman;
mod names;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use names::STATIC;

use crate::doubt::{Doubt, Doubts};
use crate::exchange::Field;

/// Bytes of a table as RFC 7541, 4.1 counts them: what encoders begin with, and the most that is kept here.
const TABLE_FIRST: usize = 4096;
const TABLE_MAX: usize = 64 << 10;
/// What an entry counts beside its texts.
const ENTRY: usize = 32;

/// A name that was never heard.
const UNKNOWN: &str = "?";

#[derive(Clone)]
struct Entry {
    name: String,
    value: Vec<u8>,
}

impl Entry {
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + ENTRY
    }
}

/// The table of one direction.
pub(crate) struct Decoder {
    /// The newest first.
    table: VecDeque<Entry>,
    size: usize,
    /// What the sender keeps.
    size_max: usize,
    /// There are entries behind those here.
    older: bool,
}

/// What a block says.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) fields: Vec<Field>,
    pub(crate) doubts: Doubts,
}

impl Block {
    /// One that could not be read.
    pub(crate) fn torn(doubt: Doubt) -> Self {
        let mut block = Self::default();
        block.doubts.add(doubt);
        block
    }
}

/// The block is not as it should be.
struct Malformed;

/// Where an index leads.
enum Found<'a> {
    Entry(&'a str, &'a [u8]),
    /// To what we do not know.
    Unknown,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            size_max: TABLE_FIRST,
            older: false,
        }
    }
}

impl Decoder {
    /// A block was lost, so that the table has entries that we do not know, and may be larger.
    pub(crate) fn lost(&mut self) {
        *self = Self {
            size_max: TABLE_MAX,
            older: true,
            ..Self::default()
        };
    }

    /// A whole block. Its fields are given up to a size; the table follows all of them.
    pub(crate) fn block(&mut self, bytes: &[u8], most: usize) -> Block {
        let mut block = Block::default();
        let mut rest = bytes;
        let mut room = most;
        while !rest.is_empty() {
            let Ok(field) = self.representation(&mut rest, &mut block.doubts) else {
                block.doubts.add(Doubt::Malformed);
                self.lost();
                return block;
            };
            let Some(field) = field else { continue };
            if let Some(left) = room.checked_sub(field.name.len() + field.value.len() + ENTRY) {
                room = left;
                block.fields.push(field);
            } else {
                room = 0;
                block.doubts.add(Doubt::Oversized);
            }
        }
        block
    }

    pub(crate) fn memory(&self) -> usize {
        self.size + self.table.capacity() * size_of::<Entry>()
    }

    /// One field, if it is one that we know, or a change of the table's size (6).
    fn representation(&mut self, rest: &mut &[u8], doubts: &mut Doubts) -> Result<Option<Field>, Malformed> {
        let first = rest.first().copied().unwrap_or_default();
        if first & 0x80 != 0 {
            let index = integer(rest, 7)?;
            return Ok(match self.entry(index)? {
                Found::Entry(name, value) => Some(Field {
                    name: name.to_owned(),
                    value: value.to_vec(),
                }),
                Found::Unknown => {
                    doubts.add(Doubt::OlderThanUs);
                    None
                }
            });
        }
        if first & 0xe0 == 0x20 {
            let size = integer(rest, 5)?;
            self.size_max = usize::try_from(size).unwrap_or(usize::MAX);
            self.evict(0);
            return Ok(None);
        }
        let is_kept = first & 0xc0 == 0x40;
        let index = integer(rest, if is_kept { 6 } else { 4 })?;
        let name = match index {
            0 => String::from_utf8_lossy(&text(rest)?).to_ascii_lowercase(),
            index => match self.entry(index)? {
                Found::Entry(name, _) => name.to_owned(),
                Found::Unknown => {
                    doubts.add(Doubt::OlderThanUs);
                    UNKNOWN.to_owned()
                }
            },
        };
        let value = text(rest)?;
        if is_kept {
            self.add(Entry {
                name: name.clone(),
                value: value.clone(),
            });
        }
        Ok(Some(Field { name, value }))
    }

    fn entry(&self, index: u64) -> Result<Found<'_>, Malformed> {
        let index = usize::try_from(index).map_err(|_| Malformed)?;
        let index = index.checked_sub(1).ok_or(Malformed)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok(Found::Entry(name, value.as_bytes()));
        }
        match self.table.get(index - STATIC.len()) {
            Some(entry) => Ok(Found::Entry(&entry.name, &entry.value)),
            None if self.older => Ok(Found::Unknown),
            None => Err(Malformed),
        }
    }

    fn add(&mut self, entry: Entry) {
        // One that the sender keeps and we do not still has its place.
        let entry = if entry.size() > TABLE_MAX && entry.size() <= self.size_max {
            Entry {
                name: UNKNOWN.to_owned(),
                value: Vec::new(),
            }
        } else {
            entry
        };
        let size = entry.size();
        self.evict(size);
        if size <= self.size_max.min(TABLE_MAX) {
            self.size += size;
            self.table.push_front(entry);
        }
    }

    /// Makes room (4.3, 4.4).
    fn evict(&mut self, size: usize) {
        let most = self.size_max.min(TABLE_MAX);
        while self.size + size > most {
            let Some(entry) = self.table.pop_back() else { break };
            self.size -= entry.size();
            self.older |= self.size_max > TABLE_MAX;
        }
        // An empty table has nothing that we do not know.
        if size > self.size_max || self.size_max == 0 {
            self.older = false;
        }
    }
}

/// An integer with a prefix of so many bits (5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<u64, Malformed> {
    let (first, mut bytes) = rest.split_first().ok_or(Malformed)?;
    let mask = (1_u64 << prefix) - 1;
    let mut value = u64::from(*first) & mask;
    if value == mask {
        for shift in (0..=28).step_by(7) {
            let (byte, behind) = bytes.split_first().ok_or(Malformed)?;
            bytes = behind;
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *rest = bytes;
                return Ok(value);
            }
        }
        // Longer than any integer that means something.
        return Err(Malformed);
    }
    *rest = bytes;
    Ok(value)
}

/// A text (5.2).
fn text(rest: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = usize::try_from(integer(rest, 7)?).map_err(|_| Malformed)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = behind;
    if is_coded {
        huffman::decode(text).ok_or(Malformed)
    } else {
        Ok(text.to_vec())
    }
}
