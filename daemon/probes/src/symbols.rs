//! Functions by their names in the tables of symbols.
//!
//! The tables can have hundreds of megabytes and are not loaded: one pass over the names keeps the places of those
//! wanted, one pass over the symbols keeps those whose name is at such a place. Linkers let a name share the end of a
//! longer one, so a wanted name is taken wherever it ends a string, and a symbol has it only if it points exactly
//! there.

mod names;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use aho_corasick::AhoCorasick;
use object::LittleEndian as LE;
use object::elf::Sym64;
use object::pod::from_bytes;

use crate::code::Convention;
use crate::elf::{Symbols, defined_function};
use crate::read::Reader;
use crate::{FoundBy, Function, FunctionAt, Library, ProbeError, Role, Search};
use names::{EX, KNOWN, Name, WRITE};
pub(crate) use names::{GATHER, INT, Known, OPEN, SCATTER, SEAL};

/// The longest string around a wanted part, as of Rust's names.
pub(crate) const LONGEST: usize = 512;
/// Places of wanted names, and functions of such names: more than any file has.
const PLACES: usize = 512;

/// A wanted name's symbol.
struct Symbol {
    known: &'static Known,
    address: u64,
    size: u64,
    found_by: FoundBy,
}

/// Adds what has a name, and what that passes its arguments on to.
pub(crate) fn find(search: &mut Search) {
    let dynamic = search.image.dynamic_symbols(&mut search.reader);
    let dynamic = search.clear(dynamic).flatten();
    let local = search.image.local_symbols(&mut search.reader);
    let local = search.clear(local).flatten();
    let mut all = Vec::new();
    for (table, found_by) in [(dynamic, FoundBy::DynamicSymbol), (local, FoundBy::LocalSymbol)] {
        let Some(table) = table else { continue };
        let found = wanted(&mut search.reader, &table, found_by);
        all.extend(search.clear(found).unwrap_or_default());
    }
    let api = whose(&all);
    for symbol in &all {
        let Some(function) = symbol.known.function else {
            continue;
        };
        let library = match symbol.known.library {
            // Its own table is always there, and tells how old it is.
            Library::GoTls => continue,
            Library::OpenSsl => api,
            Library::AwsLc if api != Library::AwsLc && !matches!(symbol.known.name, Name::Behind { .. }) => continue,
            library => library,
        };
        search.add(&FunctionAt {
            library,
            function,
            found_by: symbol.found_by,
            address: symbol.address,
            size: symbol.size,
            exact: true,
            roles: symbol.known.roles,
        });
    }
    follow(search, &all, api, &names::WRITERS, Function::WriteInternal, WRITE);
    follow(search, &all, api, &names::READERS, Function::ReadInternal, EX);
}

/// Three libraries export OpenSSL's API; two of them add functions of their own.
fn whose(all: &[Symbol]) -> Library {
    let marks = all.iter().filter(|symbol| symbol.known.function.is_none());
    let aws_lc = all
        .iter()
        .any(|symbol| matches!(symbol.known.name, Name::Behind { .. }));
    let mut marks: Vec<Library> = marks.map(|symbol| symbol.known.library).collect();
    marks.extend(aws_lc.then_some(Library::AwsLc));
    let first = [Library::AwsLc, Library::BoringSsl]
        .into_iter()
        .find(|library| marks.contains(library));
    first.unwrap_or(Library::OpenSsl)
}

/// OpenSSL's `ssl_write_internal` is behind its whole API and not exported. It is taken where at least two functions
/// of the API hand their own arguments to the same one, in the same registers.
fn follow(
    search: &mut Search,
    all: &[Symbol],
    library: Library,
    names: &[&str],
    function: Function,
    roles: &'static [Role],
) {
    if library != Library::OpenSsl || search.has(library, function) {
        return;
    }
    let mut targets: Vec<(u64, HashSet<&str>)> = Vec::new();
    for symbol in all {
        let Name::Whole(name) = symbol.known.name else { continue };
        if !names.contains(&name) {
            continue;
        }
        // What cannot be read is a doubt already.
        let code = search.code(symbol.address, symbol.size, true).ok();
        let target = code.and_then(|code| code.passes_on_to(symbol.known.roles, Convention::SystemV));
        let Some(target) = target else { continue };
        match targets.iter_mut().find(|(address, _)| *address == target) {
            Some((_, callers)) => callers.extend([name]),
            None => targets.push((target, [name].into())),
        }
    }
    let agreed = targets.into_iter().find(|(_, callers)| callers.len() >= 2);
    if let Some((address, _)) = agreed {
        search.add(&FunctionAt {
            library,
            function,
            found_by: FoundBy::Call,
            address,
            size: 0,
            exact: false,
            roles,
        });
    }
}

/// The functions of a table that have a wanted name.
fn wanted(reader: &mut Reader, table: &Symbols, found_by: FoundBy) -> Result<Vec<Symbol>, ProbeError> {
    let places = places(reader, table.names.clone())?;
    let mut found = Vec::new();
    if places.is_empty() {
        return Ok(found);
    }
    let each = size_of::<Sym64<LE>>();
    // An overlap of a whole symbol would show it twice: windows hold a whole number of them, and none overlaps.
    reader.scan_records(table.entries.clone(), each, |record| {
        let Ok((symbol, _)) = from_bytes::<Sym64<LE>>(record) else {
            return;
        };
        let Some((name, address, size)) = defined_function(symbol) else {
            return;
        };
        if let Some(known) = places.get(&name).filter(|_| found.len() < PLACES) {
            found.push(Symbol {
                known,
                address,
                size,
                found_by,
            });
        }
    })?;
    Ok(found)
}

/// Where in a table of names the wanted ones begin.
pub(crate) fn places(reader: &mut Reader, names: Range<u64>) -> Result<HashMap<u32, &'static Known>, ProbeError> {
    let patterns = KNOWN.iter().map(|known| known.name.pattern());
    let mut places = HashMap::new();
    // The patterns are constants, so this is a matter of memory only; without it nothing is wanted.
    let Ok(patterns) = AhoCorasick::new(patterns) else {
        return Ok(places);
    };
    let first = names.start;
    reader.scan(names, LONGEST, |at, window| {
        for hit in patterns.find_overlapping_iter(window) {
            let Some(known) = KNOWN.get(hit.pattern().as_usize()) else {
                continue;
            };
            let start = known.name.start(window, hit.start());
            let place = start.and_then(|start| u32::try_from(at - first + start as u64).ok());
            if let Some(place) = place.filter(|_| places.len() < PLACES) {
                places.insert(place, known);
            }
        }
    })?;
    Ok(places)
}
