//! Constants in a file's data that tell what code is in it, found in one pass.

use memchr::memmem::Finder;

use crate::elf::{Image, Section};
use crate::fingerprint::{FILES, File};
use crate::read::Reader;
use crate::{ProbeError, go};

/// The longest path of a source file.
const LONGEST: usize = 512;
/// The same path can be there several times; a file full of them is made for us.
const MOST: usize = 16;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Landmarks {
    /// Names of source files that fingerprints begin at: which, and the address of the string.
    pub(crate) files: Vec<(&'static File, u64)>,
    /// Where tables of Go's functions may begin.
    pub(crate) go_functions: Vec<Section>,
}

pub(crate) fn find(reader: &mut Reader, image: &Image) -> Result<Landmarks, ProbeError> {
    // One search each: together, in an automaton, they took ten times as long.
    let names = FILES.each_ref().map(|file| (file, Finder::new(file.name)));
    let magics = go::MAGICS.each_ref().map(Finder::new);
    let mut found = Landmarks::default();
    for segment in &image.segments {
        reader.scan(segment.file.clone(), LONGEST, |at, window| {
            for (file, name) in &names {
                for place in name.find_iter(window) {
                    let start = at + string_start(window, place) as u64;
                    let address = segment.address_of(start).map(|address| (*file, address));
                    let new = address.filter(|address| found.files.len() < MOST && !found.files.contains(address));
                    found.files.extend(new);
                }
            }
            for place in magics.iter().flat_map(|magic| magic.find_iter(window)) {
                let file = at + place as u64..segment.file.end;
                let address = segment.address_of(file.start);
                let section = address.map(|address| Section { address, file });
                found
                    .go_functions
                    .extend(section.filter(|_| found.go_functions.len() < MOST));
            }
        })?;
    }
    Ok(found)
}

/// Where the text around `at` begins: behind what is not of a path.
fn string_start(window: &[u8], at: usize) -> usize {
    let before = window.get(..at).unwrap_or_default();
    let end = before.iter().rposition(|byte| !byte.is_ascii_graphic());
    end.map_or(0, |end| end + 1)
}
