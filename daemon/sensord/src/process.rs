//! What `/proc` says of a process, read as text that is never interpreted beyond numbers.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

/// Clock ticks of `/proc/PID/stat`, fixed in the kernel's interface (USER_HZ).
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

fn folder(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// Field 22 of `/proc/PID/stat`: start after boot, in ticks. The name before it may hold anything, but not after `)`.
fn start_ticks(pid: u32) -> io::Result<u64> {
    let text = fs::read(folder(pid).join("stat"))?;
    let after = text
        .iter()
        .rposition(|byte| *byte == b')')
        .and_then(|at| text.get(at + 2..))
        .unwrap_or_default();
    String::from_utf8_lossy(after)
        .split_ascii_whitespace()
        .nth(19)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::other("/proc/PID/stat has no start time"))
}

/// Whether the process is the one that started then (to the tick).
pub(crate) fn started_at(pid: u32, start_ns: u64) -> io::Result<bool> {
    Ok(start_ticks(pid)? == start_ns / NANOSECONDS_PER_TICK)
}

/// How many threads it has.
pub(crate) fn threads(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(folder(pid).join("task"))?.count())
}

/// The text of its memory map, cut at a line's end.
pub(crate) fn maps(pid: u32, limit: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(folder(pid).join("maps"))?
        .take(limit as u64)
        .read_to_end(&mut text)?;
    if text.len() == limit {
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text.truncate(end);
    }
    Ok(text)
}

/// A file it has mapped at `from..to`.
pub(crate) fn open_mapped(pid: u32, from: u64, to: u64) -> io::Result<File> {
    let file = File::open(folder(pid).join("map_files").join(format!("{from:x}-{to:x}")))?;
    // Only regular files: opening anything else could have effects or block a reader.
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}
