//! The files of a log's directory.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::AuditError;

/// Of the log and its segments: its user writes, the group reads.
pub(crate) const DIRECTORY_MODE: u32 = 0o750;
pub(crate) const FILE_MODE: u32 = 0o640;
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".log";

/// A segment's file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The number of its first record, from its name.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

/// What lies in a directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In the order of their numbers.
    pub(crate) segments: Vec<Segment>,
    /// What repairs set aside.
    pub(crate) set_aside: Vec<PathBuf>,
}

pub(crate) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{first:020}{SUFFIX}"))
}

pub(crate) fn list(directory: &Path) -> Result<Listing, AuditError> {
    let failed = |error| AuditError::file("list", directory, error);
    let mut listing = Listing::default();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(name) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if let Some(first) = name.strip_suffix(SUFFIX).and_then(number) {
            listing.segments.push(Segment { first, path });
        } else if name.contains(".log.") {
            listing.set_aside.push(path);
        }
    }
    listing.segments.sort();
    listing.set_aside.sort();
    Ok(listing)
}

/// Whether somebody writes the log now, as far as this host's kernel says: an unfinished record at its end is then none.
pub fn is_being_written(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(lock) = fs::metadata(directory.join("lock")) else {
        return false;
    };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let inode = format!(":{}", lock.ino());
    let held = |line: &str| line.contains("FLOCK") && line.split_ascii_whitespace().any(|word| word.ends_with(&inode));
    locks.lines().any(held)
}

fn number(text: &str) -> Option<u64> {
    let plain = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// Lets the group of the log's user read a file, or enter a directory, whatever the umask: who sends records elsewhere is of that group, and
/// nobody else. Where that fails nothing is sent, which is told; the log goes on.
pub(crate) fn share(file: &File, mode: u32) {
    let is_so = |metadata: fs::Metadata| metadata.permissions().mode() & 0o777 == mode;
    if file.metadata().is_ok_and(is_so) {
        return;
    }
    if let Err(error) = file.set_permissions(Permissions::from_mode(mode)) {
        tracing::warn!(%error, "the audit log is not readable for its group");
    }
}

/// The same for a log that is there already.
pub(crate) fn share_all(directory: &Path) -> Result<(), AuditError> {
    let shared = |path: &Path, mode| {
        let opened = File::open(path).map_err(|error| AuditError::file("open", path, error))?;
        share(&opened, mode);
        Ok(())
    };
    shared(directory, DIRECTORY_MODE)?;
    let segments = list(directory)?.segments;
    segments.iter().try_for_each(|segment| shared(&segment.path, FILE_MODE))
}

/// Makes created, renamed and removed names of a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
