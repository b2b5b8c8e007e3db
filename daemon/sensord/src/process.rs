//! What `/proc` says of a process, read as text that is never interpreted beyond numbers.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Split};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aa_procfs::maps::{self, Mapping};
use aa_procfs::stat::{self, NANOSECONDS_PER_TICK};
use nix::libc;

fn folder(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// Start after boot, in ticks.
pub(crate) fn start_ticks(pid: u32) -> io::Result<u64> {
    let text = fs::read(folder(pid).join("stat"))?;
    stat::start_ticks(&text).ok_or_else(|| io::Error::other("/proc/PID/stat has no start time"))
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
pub(crate) fn maps_text(pid: u32, limit: usize) -> io::Result<Vec<u8>> {
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

/// The files a process has mapped as code, read as they are asked for: of each of its mappings, what is mapped if it is such.
/// Their names are not looked at.
#[derive(Debug)]
pub(crate) struct MappedCode(Split<BufReader<File>>);

impl MappedCode {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let text = File::open(folder(pid).join("maps"))?;
        Ok(Self(BufReader::with_capacity(16 << 10, text).split(b'\n')))
    }
}

impl Iterator for MappedCode {
    type Item = Option<Mapping>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.next()?.ok()?;
        Some(maps::mapping(&line).filter(|mapping| mapping.inode != 0))
    }
}

/// What has this name for the process: a place that is not opened, and cannot be read.
pub(crate) fn place_in_root(pid: u32, name: &[u8]) -> io::Result<File> {
    let below = Path::new(OsStr::from_bytes(name)).strip_prefix("/");
    let below = below.map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH);
    options.open(folder(pid).join("root").join(below))
}

/// What is at a place, to be read. Opening it can have effects, or block, where it is not known what it is.
pub(crate) fn open_place(place: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", place.as_raw_fd()))
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
