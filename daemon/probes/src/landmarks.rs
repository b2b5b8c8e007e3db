//! Constants in a file's data that tell what code is in it, found in one pass.

use memchr::memmem::Finder;

use crate::fingerprint::{FILES, File};
use crate::{ProbeError, Search, go};

/// The longest path of a source file.
const LONGEST: usize = 512;
/// The same path can be there several times; a file full of them is made for us.
const MOST: usize = 16;

/// A place in the file that is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: u64,
    pub(crate) offset: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Landmarks {
    /// Names of source files that fingerprints begin at: which, and where the string is.
    pub(crate) files: Vec<(&'static File, Place)>,
    /// Where tables of Go's functions may begin.
    pub(crate) go_functions: Vec<Place>,
}

pub(crate) fn find(search: &mut Search) -> Landmarks {
    // One search each: together, in an automaton, they took ten times as long.
    let names = FILES.each_ref().map(|file| (file, Finder::new(file.name)));
    let magics = go::MAGICS.each_ref().map(Finder::new);
    let mut found = Landmarks::default();
    for segment in search.image.segments.clone() {
        let place = |offset| {
            let address = segment.address_of(offset);
            address.map(|address| Place { address, offset })
        };
        let done = search.reader.scan(segment.file.clone(), LONGEST, |at, window| {
            for (file, name) in &names {
                let hits = name.find_iter(window).map(|hit| string_start(window, hit));
                let places = hits.filter_map(|start| place(at + start as u64));
                places.for_each(|place| add(&mut found.files, (*file, place)));
            }
            let hits = magics.iter().flat_map(|magic| magic.find_iter(window));
            let places = hits.filter_map(|hit| place(at + hit as u64));
            places.for_each(|place| add(&mut found.go_functions, place));
        });
        search.clear(done);
    }
    for (what, count) in [
        ("source file names", found.files.len()),
        ("tables of Go's functions", found.go_functions.len()),
    ] {
        let (count, limit) = (count as u64, MOST as u64);
        if count > limit {
            search.doubt(ProbeError::TooMany { what, count, limit });
        }
    }
    found
}

/// Keeps what is new, and one more than is taken, which tells that there were too many. Windows overlap.
fn add<T: PartialEq>(all: &mut Vec<T>, new: T) {
    if all.len() <= MOST && !all.contains(&new) {
        all.push(new);
    }
}

/// Where the text around `at` begins: behind what is not of a path.
fn string_start(window: &[u8], at: usize) -> usize {
    let first = at.saturating_sub(LONGEST);
    let before = window.get(first..at).unwrap_or_default();
    let end = before.iter().rposition(|byte| !byte.is_ascii_graphic());
    end.map_or(first, |end| first + end + 1)
}
