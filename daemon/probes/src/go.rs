//! Go's functions by the table that every Go program carries for its stack traces, stripped or not.
//!
//! Its layout, `pcHeader` and `moduledata`, is that of `runtime/symtab.go`, unchanged from Go 1.18 to 1.27 but for
//! the magic number and, from 1.26 on, the address of the code, which is then in `moduledata` alone. Go 1.17 and
//! older are not read.

use std::collections::HashMap;

use object::LittleEndian as LE;
use object::elf::{R_X86_64_RELATIVE, Rela64};
use object::pod::from_bytes;

use crate::landmarks::{Landmarks, Place};
use crate::symbols::{self, Known};
use crate::{FoundBy, Function, FunctionAt, Library, ProbeError, Search};

/// Go 1.20, 1.18, 1.16 and 1.2, each with two zeros, x86's step of one byte and pointers of eight.
pub(crate) const MAGICS: [[u8; 8]; 4] = [magic(0xf1), magic(0xf0), magic(0xfa), magic(0xfb)];
const fn magic(first: u8) -> [u8; 8] {
    [first, 0xff, 0xff, 0xff, 0, 0, 1, 8]
}

/// How many of these are read.
const READ: usize = 2;

/// The largest programs have some 500,000.
const FUNCTIONS: u64 = 8 << 20;
/// Functions looked at between two looks at their table.
const AT_ONCE: u64 = 2048;
/// The place of `text` in `moduledata`, in words; `minpc` and `maxpc` are before it, `etext` behind.
const TEXT: usize = 22;
const PLACES: usize = 16;

/// The head of the table.
struct Table {
    address: u64,
    functions: u64,
    text: u64,
    names: u64,
    names_end: u64,
    entries: u64,
}

/// Adds what of `crypto/tls` the table of functions has.
pub(crate) fn find(search: &mut Search, landmarks: &Landmarks) {
    for place in &landmarks.go_functions {
        if search.has(Library::GoTls, Function::Write) {
            return;
        }
        let table = Table::read(search, *place);
        let found = table.and_then(|table| table.map(|table| table.functions(search)).transpose());
        for found in search.clear(found).flatten().unwrap_or_default() {
            search.add(&found);
        }
    }
}

impl Table {
    /// The table, if there is one with names of `crypto/tls`.
    fn read(search: &mut Search, place: Place) -> Result<Option<Self>, ProbeError> {
        let what = "Go's table of functions";
        let start = place.offset;
        let head = search.reader.bytes(what, start, 72)?;
        let mut words = head
            .chunks_exact(8)
            .filter_map(|word| word.try_into().ok())
            .map(u64::from_le_bytes);
        let (Some(magic), Some(functions), Some(_files), Some(text)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        let offsets: Vec<u64> = words.map(|offset| start.saturating_add(offset)).collect();
        let [names, names_end, _, _, entries] = offsets.as_slice() else {
            return Ok(None);
        };
        if !MAGICS
            .iter()
            .take(READ)
            .any(|known| u64::from_le_bytes(*known) == magic)
        {
            return Err(ProbeError::OldGo);
        }
        if functions > FUNCTIONS {
            return Err(ProbeError::TooMany {
                what,
                count: functions,
                limit: FUNCTIONS,
            });
        }
        Ok(Some(Self {
            address: place.address,
            functions,
            text,
            names: *names,
            names_end: *names_end,
            entries: *entries,
        }))
    }

    fn functions(&self, search: &mut Search) -> Result<Vec<FunctionAt>, ProbeError> {
        let names = symbols::places(&mut search.reader, self.names..self.names_end)?;
        let mut found = Vec::new();
        if !names.values().any(|known| known.library == Library::GoTls) {
            return Ok(found);
        }
        let text = self.text(search)?;
        let mut number = 0;
        while number < self.functions {
            let count = AT_ONCE.min(self.functions - number);
            self.look(search, &names, number..number + count, text, &mut found)?;
            number += count;
        }
        Ok(found)
    }

    /// Some of the functions: `(entry, offset of the function's data)` each, both 32 bits, and the next one's entry.
    fn look(
        &self,
        search: &mut Search,
        names: &HashMap<u32, &'static Known>,
        numbers: std::ops::Range<u64>,
        text: u64,
        found: &mut Vec<FunctionAt>,
    ) -> Result<(), ProbeError> {
        let what = "Go's table of functions";
        let at = self.entries.saturating_add(numbers.start * 8);
        let length = usize::try_from((numbers.end - numbers.start) * 8 + 4).unwrap_or(0);
        let entries = search.reader.bytes(what, at, length)?.to_vec();
        let word = |bytes: &[u8], at: usize| {
            let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
            word.map_or(0, |word| u32::from_le_bytes(*word))
        };
        for place in (0..length - 4).step_by(8) {
            let (entry, data, next) = (
                word(&entries, place),
                word(&entries, place + 4),
                word(&entries, place + 8),
            );
            let data = search.reader.bytes(what, self.entries.saturating_add(data.into()), 8)?;
            let known = names
                .get(&word(data, 4))
                .filter(|known| known.library == Library::GoTls);
            let Some(function) = known.and_then(|known| known.function) else {
                continue;
            };
            found.extend(known.filter(|_| found.len() < PLACES).map(|known| FunctionAt {
                library: Library::GoTls,
                function,
                found_by: FoundBy::GoTable,
                address: text.saturating_add(entry.into()),
                size: next.saturating_sub(entry).into(),
                exact: true,
                roles: known.roles,
            }));
        }
        Ok(())
    }

    /// The address that functions' entries count from, `runtime.text`.
    fn text(&self, search: &mut Search) -> Result<u64, ProbeError> {
        if search.image.code_at(self.text).is_some() && self.text != 0 {
            return Ok(self.text);
        }
        let first = search.reader.bytes("Go's table of functions", self.entries, 4)?;
        let first = first.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        let entry = first.into();
        // What moduledata begins with is the address of the table. It is there in the file, or comes by a relocation.
        let mut modules = self.modules(search)?;
        modules.extend(self.relocated_modules(search)?);
        let found = modules.into_iter().find_map(|words| match words {
            [low, high, text, end] if low == text.saturating_add(entry) && low < high && high <= end => Some(text),
            _ => None,
        });
        let found = found.filter(|text| search.image.code_at(*text).is_some());
        found.ok_or(ProbeError::NotFound {
            what: "Go's crypto/tls",
        })
    }

    /// `minpc`, `maxpc`, `text`, `etext` of what may be `moduledata`.
    fn modules(&self, search: &mut Search) -> Result<Vec<[u64; 4]>, ProbeError> {
        let mut places = Vec::new();
        for segment in search.image.segments.iter().filter(|segment| !segment.executable) {
            search.reader.scan(segment.file.clone(), 0, |at, window| {
                let aligned = window.chunks_exact(8).enumerate();
                let hits = aligned.filter(|(_, word)| *word == self.address.to_le_bytes());
                places.extend(hits.map(|(number, _)| at + 8 * number as u64).take(PLACES));
            })?;
        }
        let mut found = Vec::new();
        for place in places.into_iter().take(PLACES) {
            // Not every place with that number is moduledata; one at the end of the file has nothing behind it.
            let Ok(words) = search.reader.bytes("Go's module data", place, (TEXT + 2) * 8) else {
                continue;
            };
            let mut words = words
                .chunks_exact(8)
                .skip(TEXT - 2)
                .filter_map(|word| word.try_into().ok());
            found.push([(); 4].map(|()| words.next().map_or(0, u64::from_le_bytes)));
        }
        Ok(found)
    }

    /// The same in a program that is loaded anywhere.
    fn relocated_modules(&self, search: &mut Search) -> Result<Vec<[u64; 4]>, ProbeError> {
        let Some(relocations) = search.image.relocations(&mut search.reader)? else {
            return Ok(Vec::new());
        };
        let each = size_of::<Rela64<LE>>();
        let relative = |record: &[u8]| {
            let (relocation, _) = from_bytes::<Rela64<LE>>(record).ok()?;
            let relative = relocation.r_info.get(LE) & 0xffff_ffff == u64::from(R_X86_64_RELATIVE.0);
            relative.then(|| (relocation.r_offset.get(LE), relocation.r_addend.get(LE).cast_unsigned()))
        };
        let mut modules = Vec::new();
        search.reader.scan_records(relocations.clone(), each, |record| {
            let here = relative(record).filter(|(_, to)| *to == self.address && modules.len() < PLACES);
            modules.extend(here.map(|(address, _)| (address, [0; 4])));
        })?;
        search.reader.scan_records(relocations, each, |record| {
            let Some((address, to)) = relative(record) else { return };
            for (module, words) in &mut modules {
                let distance = address.wrapping_sub(module.wrapping_add((TEXT as u64 - 2) * 8));
                let number = usize::try_from(distance / 8).unwrap_or(usize::MAX);
                words.get_mut(number).into_iter().for_each(|word| *word = to);
            }
        })?;
        Ok(modules.into_iter().map(|(_, words)| words).collect())
    }
}
