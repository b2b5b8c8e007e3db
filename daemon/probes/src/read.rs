//! Reads a file by parts: memory is bounded whatever its size, and so is all that is read of it.

use std::io;
use std::ops::Range;

use object::pod::{Pod, from_bytes};

use crate::ProbeError;

/// What one look reads ahead.
const AHEAD: usize = 16 << 10;
/// What a scan holds at once.
const WINDOW: usize = 256 << 10;
/// Names and constants are looked for in a handful of passes, each over a part of the file.
const PASSES: u64 = 8;
/// For looks at single places, which read ahead more than they use.
const LOOKS: u64 = 64 << 20;

/// A file that is read by offsets. Whoever opens it is not this crate's business.
pub trait ReadAt {
    /// Its length, bytes.
    fn length(&self) -> u64;
    /// Fills `into` from `offset`; an error if the file ends before.
    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|from| self.get(from..));
        let from = from.and_then(|from| from.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> u64 {
        self.as_slice().length()
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(into, offset)
    }
}

/// A file, a window of it, and what may still be read.
pub(crate) struct Reader<'a> {
    source: &'a dyn ReadAt,
    length: u64,
    window: Vec<u8>,
    start: u64,
    left: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a dyn ReadAt) -> Self {
        let length = source.length();
        Self {
            source,
            length,
            window: Vec::new(),
            start: 0,
            left: limit(length),
        }
    }

    /// Exactly `length` bytes at `offset`.
    pub(crate) fn bytes(&mut self, what: &'static str, offset: u64, length: usize) -> Result<&[u8], ProbeError> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.length);
        let end = end.ok_or(ProbeError::Outside { what, offset })?;
        if offset < self.start || end > self.start + self.window.len() as u64 {
            let ahead = self.length - offset;
            let take = usize::try_from(ahead).unwrap_or(AHEAD).min(AHEAD).max(length);
            let mut window = std::mem::take(&mut self.window);
            window.resize(take, 0);
            self.fill(&mut window, offset)?;
            self.window = window;
            self.start = offset;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let found = self.window.get(from..).and_then(|rest| rest.get(..length));
        found.ok_or(ProbeError::Outside { what, offset })
    }

    /// At most `length` bytes at `offset`, fewer where the file ends.
    pub(crate) fn up_to(&mut self, what: &'static str, offset: u64, length: usize) -> Result<&[u8], ProbeError> {
        let there = self.length.saturating_sub(offset);
        self.bytes(what, offset, usize::try_from(there).unwrap_or(length).min(length))
    }

    /// A structure of the file at `offset`.
    pub(crate) fn structure<T: Pod>(&mut self, what: &'static str, offset: u64) -> Result<&T, ProbeError> {
        let bytes = self.bytes(what, offset, size_of::<T>())?;
        from_bytes(bytes)
            .map_err(|()| ProbeError::Outside { what, offset })
            .map(|(found, _)| found)
    }

    /// Shows all bytes of `range` to `each`, by windows with the offset each begins at. The end of a window, `overlap`
    /// bytes, is also the beginning of the next. What lies beyond the file's end is passed over.
    pub(crate) fn scan(
        &mut self,
        range: Range<u64>,
        overlap: usize,
        mut each: impl FnMut(u64, &[u8]),
    ) -> Result<(), ProbeError> {
        let end = range.end.min(self.length);
        let length = usize::try_from(end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut window = vec![0; length.min(WINDOW.max(2 * overlap))];
        let mut at = range.start;
        while at < end {
            let take = usize::try_from(end - at).unwrap_or(usize::MAX).min(window.len());
            let Some(part) = window.get_mut(..take) else { break };
            self.fill(part, at)?;
            each(at, part);
            if at + take as u64 >= end {
                break;
            }
            at += (take - overlap) as u64;
        }
        Ok(())
    }

    /// Shows the records of `each` bytes that `range` holds.
    pub(crate) fn scan_records(
        &mut self,
        range: Range<u64>,
        each: usize,
        mut show: impl FnMut(&[u8]),
    ) -> Result<(), ProbeError> {
        let whole = (WINDOW / each * each) as u64;
        let mut at = range.start;
        while at < range.end.min(self.length) {
            let end = range.end.min(at.saturating_add(whole));
            self.scan(at..end, 0, |_, window| window.chunks_exact(each).for_each(&mut show))?;
            at = end;
        }
        Ok(())
    }

    fn fill(&mut self, into: &mut [u8], offset: u64) -> Result<(), ProbeError> {
        let left = self.left.checked_sub(into.len() as u64);
        self.left = left.ok_or_else(|| ProbeError::TooMuchWork {
            bytes: limit(self.length),
        })?;
        self.source.read_exact_at(into, offset).map_err(ProbeError::Read)
    }
}

fn limit(length: u64) -> u64 {
    length.saturating_mul(PASSES).saturating_add(LOOKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_shows_every_byte_and_what_lies_across_windows() {
        let mut file = vec![0_u8; 3 * WINDOW];
        let across = WINDOW - 3;
        file[across..across + 6].copy_from_slice(b"needle");
        let mut found = Vec::new();
        let mut reader = Reader::new(&file);
        let look = |at: u64, part: &[u8]| {
            found.extend(memchr::memmem::find_iter(part, b"needle").map(|place| at + place as u64));
        };
        reader.scan(0..u64::MAX, 5, look).unwrap();
        assert_eq!(found, [across as u64]);
    }

    #[test]
    fn reading_in_circles_ends() {
        let file = vec![0; 100];
        let mut reader = Reader::new(&file);
        let mut rounds = 0;
        while reader.scan(0..100, 0, |_, _| ()).is_ok() {
            rounds += 1;
        }
        assert_eq!(rounds, limit(100) / 100);
    }

    #[test]
    fn what_points_outside_is_refused() {
        let file = vec![0; 100];
        let mut reader = Reader::new(&file);
        assert!(reader.bytes("x", 99, 1).is_ok());
        for (offset, length) in [(100, 1), (99, 2), (u64::MAX, 1), (u64::MAX, usize::MAX)] {
            assert!(matches!(
                reader.bytes("x", offset, length),
                Err(ProbeError::Outside { .. })
            ));
        }
        assert_eq!(reader.up_to("x", 98, 9).unwrap().len(), 2);
    }
}
