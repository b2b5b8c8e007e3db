//! Files of the audit log, and what is kept of it elsewhere.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use aa_audit::{AuditError, AuditLog, Checkpoint, Checks, Options, Proof, PublicKey};
use aa_wire::Event;
use aa_wire::event::Effect;

/// Whose notes nobody here can make.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const MAGIC: &[u8] = b"AALOG002";

/// A log whose files hold these bytes, a segment from each magic on: reading ends, checking ends, and a log that was
/// opened for writing, with its repairs, goes on with the next number and is read to its end. True for an intact log.
pub fn audit_log(bytes: &[u8]) -> bool {
    let Ok(folder) = tempfile::tempdir_in(memory()) else {
        return false;
    };
    let (log, keys) = (folder.path().join("log"), folder.path());
    let made = fs::create_dir(&log).and_then(|()| write_segments(&log, bytes));
    let outcome = made.map(|()| check(&log, keys));
    match &outcome {
        // Of the format before.
        Ok(Err(AuditError::File { source, .. })) if source.kind() == ErrorKind::Unsupported => return false,
        _ => assert!(matches!(outcome, Ok(Ok(_))), "{outcome:?}"),
    }
    matches!(outcome, Ok(Ok(true)))
}

fn check(log: &Path, keys: &Path) -> Result<bool, AuditError> {
    let verify = |live| {
        let checks = Checks {
            live,
            ..Checks::default()
        };
        aa_audit::verify(log, &checks)
    };
    let (before, live) = (verify(false)?, verify(true)?);
    assert!(live.found <= before.found, "{live:?} {before:?}");
    let events = scan(log)?;
    assert!(events.len() as u64 <= before.records, "{before:?}");
    if let Some(event) = events.first() {
        // Shown or not, its segment is read to an end.
        aa_audit::find(log, event.id)?;
    }
    let (writer, recovery) = AuditLog::open(log, &Options::new(keys))?;
    let number = writer.append(&Event::lifecycle("start", Effect::Allowed, "fuzzed"))?;
    drop(writer);
    let told = (recovery.repairs.len() + recovery.replaced_keys.len()) as u64;
    assert_eq!(number.0, recovery.last + told + 1, "{recovery:?}");
    // Then the end of the epoch.
    let last = scan(log)?.last().map(|event| event.id);
    assert_eq!(last, Some(number.0 + 1), "{recovery:?}");
    // The keys are gone, so an epoch that had not ended stays without its end.
    if before.is_intact() && recovery.closed {
        let after = verify(false)?;
        assert!(after.is_intact() && after.last == number.0 + 1, "{before:?} {after:?}");
    }
    Ok(before.is_intact())
}

/// Texts that come from elsewhere: a checkpoint, a public key, a proof. What is read says the same again.
pub fn audit_note(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let example = PublicKey::parse(KEY);
    if let Some(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.note, text);
        assert!(example.is_some_and(|key| !checkpoint.is_signed_by(&key)));
        return true;
    }
    if let Some(key) = PublicKey::parse(text) {
        assert_eq!(key.to_string(), text.trim_ascii_end());
        return true;
    }
    let proof = serde_json::from_str::<Proof>(text);
    proof.is_ok_and(|proof| example.is_some_and(|key| proof.check(&key).is_err()))
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
            .get(16..24)
            .and_then(|first| first.try_into().ok())
            .map(u64::from_le_bytes);
        let first = said.filter(|_| number > 0).unwrap_or(1);
        fs::write(folder.join(format!("audit-{first:020}.log")), segment)?;
    }
    Ok(())
}
