//! Files of the audit log.

use std::fs;
use std::path::Path;

use aa_audit::{AuditError, AuditLog, Options, Report};
use aa_wire::Event;
use aa_wire::event::Effect;

const MAGIC: &[u8] = b"AALOG001";

/// A log whose files hold these bytes, a segment from each magic on: reading ends, checking ends, and a log that was
/// opened for writing, with its repairs, goes on with the next number and is read to its end. True for an intact log.
pub fn audit_log(bytes: &[u8]) -> bool {
    let Ok(folder) = tempfile::tempdir_in(memory()) else {
        return false;
    };
    let outcome = write_segments(folder.path(), bytes).map(|()| check(folder.path()));
    assert!(matches!(outcome, Ok(Ok(_))), "{outcome:?}");
    matches!(outcome, Ok(Ok(true)))
}

fn check(folder: &Path) -> Result<bool, AuditError> {
    let before = aa_audit::verify(folder)?;
    let live = aa_audit::verify_live(folder)?;
    assert!(live.found <= before.found, "{live:?} {before:?}");
    let events = scan(folder)?;
    assert!(events.len() as u64 <= before.records, "{before:?}");
    let (log, recovery) = AuditLog::open(folder, Options::default())?;
    let number = log.append(&Event::lifecycle("start", Effect::Allowed, "fuzzed"))?;
    drop(log);
    let repairs = recovery.repairs.len() as u64;
    assert_eq!(number.0, recovery.last + repairs + 1, "{recovery:?}");
    let last = scan(folder)?.last().map(|event| event.id);
    assert_eq!(last, Some(number.0), "{recovery:?}");
    intact_stays_intact(&before, &aa_audit::verify(folder)?);
    Ok(before.is_intact())
}

fn intact_stays_intact(before: &Report, after: &Report) {
    if before.is_intact() {
        assert!(
            after.is_intact() && after.last == before.last + 1,
            "{before:?} {after:?}"
        );
    }
}

fn scan(folder: &Path) -> Result<Vec<Event>, AuditError> {
    aa_audit::scan(folder, 0)?.collect()
}

/// In memory where there is a file system of that sort: a log syncs what it writes.
fn memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// The first segment is named for record 1, another for the record its header says it begins with.
fn write_segments(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut starts: Vec<usize> = (1..bytes.len())
        .filter(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(MAGIC)))
        .collect();
    starts.insert(0, 0);
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(bytes.len());
        let segment = bytes.get(*start..end).unwrap_or_default();
        let said = segment
            .get(8..16)
            .and_then(|first| first.try_into().ok())
            .map(u64::from_le_bytes);
        let first = said.filter(|_| number > 0).unwrap_or(1);
        fs::write(folder.join(format!("audit-{first:020}.log")), segment)?;
    }
    Ok(())
}
