//! How long the audit log keeps records, and who has it keep all of them. Nobody removes records by request: the configuration says how old
//! they become, once an hour what is older goes, and a hold ends that until it is released.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aa_wire::api::{HoldRow, Reply};
use aa_wire::event::Effect;
use aa_wire::{Event, Timestamp, WireError};
use nix::time::{ClockId, clock_gettime};
use tokio::sync::Mutex;

use crate::control::Peer;
use crate::gateway::Gateway;

/// A start has other things to do.
const FIRST: Duration = Duration::from_secs(300);
const INTERVAL: Duration = Duration::from_secs(3600);
const DAY_NS: u64 = 86_400_000_000_000;
/// How far the wall clock may be set while we run before it is not believed: all would be old.
const ASTRAY: Duration = Duration::from_secs(86_400);
const HOLDS: usize = 64;
const FILE: &str = "audit-holds.json";

/// What there is to know of it.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// One at a time: when a hold is set no removal is under way.
    busy: Mutex<()>,
    /// Why what is old stays, and should not.
    failing: RefCell<Option<String>>,
}

impl Retention {
    pub(crate) fn complaint(&self) -> Option<String> {
        let failing = self.failing.borrow();
        failing
            .as_ref()
            .map(|why| format!("old audit records are not removed: {why}"))
    }
}

/// Once an hour.
pub(crate) async fn keep(gateway: Rc<Gateway>) {
    let Some(days) = gateway.settings.retain_days else {
        return;
    };
    let clock = offset();
    tokio::time::sleep(FIRST).await;
    loop {
        let outcome = if offset().abs_diff(clock) < ASTRAY.as_nanos() {
            gateway.retire(days).await
        } else {
            Err("the clock was set by more than a day; if it is right now, restart aa-sensord".to_owned())
        };
        *gateway.retention.failing.borrow_mut() = outcome.err();
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Wall clock minus time since the boot, nanoseconds.
fn offset() -> i128 {
    let read = |clock| clock_gettime(clock).map_or(0, |time| Duration::from(time).as_nanos());
    let [wall, boot] = [ClockId::CLOCK_REALTIME, ClockId::CLOCK_BOOTTIME].map(read);
    i128::try_from(wall).unwrap_or(0) - i128::try_from(boot).unwrap_or(0)
}

impl Gateway {
    async fn retire(&self, days: u32) -> Result<(), String> {
        let _one = self.retention.busy.lock().await;
        let held = self.holds().map_err(|problem| problem.message)?;
        if !held.is_empty() {
            return Ok(());
        }
        let before = Timestamp {
            unix_ns: Timestamp::now().unix_ns.saturating_sub(u64::from(days) * DAY_NS),
        };
        let audit = Arc::clone(&self.audit);
        let done = tokio::task::spawn_blocking(move || audit.retire(before)).await;
        match done {
            Ok(Ok(Some(retired))) => {
                tracing::info!(
                    through = retired.through,
                    bytes = retired.bytes,
                    "old audit records are removed"
                );
                Ok(())
            }
            Ok(Ok(None)) => Ok(()),
            Ok(Err(error)) => Err(WireError::from_error("audit-failing", &error).message),
            Err(_) => Err("its thread failed".to_owned()),
        }
    }

    /// What has the log keep everything.
    pub(crate) fn holds(&self) -> Result<Vec<HoldRow>, WireError> {
        read(&self.holds_file()).map_err(|error| {
            let what = format!("{} cannot be read: nothing is removed", self.holds_file().display());
            WireError::new("audit-holds", what).because(error)
        })
    }

    fn holds_file(&self) -> PathBuf {
        self.settings.state_dir.join(FILE)
    }

    pub(crate) async fn hold(&self, peer: Peer, name: String, why: String) -> Result<Reply, WireError> {
        let _one = self.retention.busy.lock().await;
        let mut holds = self.holds()?;
        let plain = |text: &str, most: usize| text.len() <= most && aa_wire::text::escape(text.as_bytes()) == text;
        if name.is_empty() || !plain(&name, 64) || !plain(&why, 256) {
            let what = "a hold has a name of 1 to 64 bytes and a reason of 256 at most, without control characters";
            return Err(WireError::new("usage", what));
        }
        if holds.len() >= HOLDS || holds.iter().any(|hold| hold.name == name) {
            return Err(WireError::new(
                "hold-exists",
                format!("there is a hold `{name}`, or there are {HOLDS}"),
            ));
        }
        let detail = format!("{name} set by user {}: {why}", peer.uid);
        let since = Timestamp::now();
        holds.push(HoldRow {
            name,
            since,
            by: peer.uid,
            why,
        });
        self.change_holds(detail, &holds).await
    }

    pub(crate) async fn release_hold(&self, peer: Peer, name: &str) -> Result<Reply, WireError> {
        let _one = self.retention.busy.lock().await;
        let mut holds = self.holds()?;
        let before = holds.len();
        holds.retain(|hold| hold.name != name);
        if holds.len() == before {
            return Err(WireError::new("no-such-hold", "there is no hold of this name").hint("aasm audit hold list"));
        }
        self.change_holds(format!("{name} released by user {}", peer.uid), &holds)
            .await
    }

    /// In the log first, then on the disk. Who calls has seen to it that nobody else does.
    async fn change_holds(&self, detail: String, holds: &[HoldRow]) -> Result<Reply, WireError> {
        self.record_first(Event::lifecycle("audit-hold", Effect::Allowed, detail.clone()))
            .await?;
        if let Err(error) = write(&self.holds_file(), holds) {
            self.record(Event::lifecycle(
                "audit-hold",
                Effect::Denied,
                format!("{detail}: {error}"),
            ));
            return Err(WireError::new("audit-holds", "the holds cannot be written").because(error));
        }
        Ok(Reply::Holds(holds.to_vec()))
    }
}

/// None if there is no such file; anything that is not understood is an error.
fn read(path: &Path) -> io::Result<Vec<HoldRow>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// There whole and on the disk, or not at all.
fn write(path: &Path, holds: &[HoldRow]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&serde_json::to_vec(holds)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_read_back_and_what_is_no_list_of_them_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(&path).unwrap(), []);
        let hold = HoldRow {
            name: "case-7".into(),
            since: Timestamp::default(),
            by: 1000,
            why: "court".into(),
        };
        write(&path, std::slice::from_ref(&hold)).unwrap();
        assert_eq!(read(&path).unwrap(), [hold]);
        for bad in ["", "{}", "[{\"name\":\"x\"}]", "null"] {
            fs::write(&path, bad).unwrap();
            assert!(read(&path).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_clock_is_where_it_was() {
        assert!(offset().abs_diff(offset()) < Duration::from_secs(60).as_nanos());
        assert!(offset() > 0, "it is after 1970, and the machine was not started then");
    }

    #[test]
    fn what_keeps_old_records_is_a_complaint() {
        let retention = Retention::default();
        assert_eq!(retention.complaint(), None);
        *retention.failing.borrow_mut() = Some("x".to_owned());
        assert!(retention.complaint().unwrap().contains("not removed: x"));
    }
}
