//! `aa-sensord unload`: the only way down.

use aa_bpf::Kernel;
use aa_bpf::tasks::{ProcessHandle, Tasks};
use aa_wire::WireError;
use nix::sys::signal::Signal;
use nix::unistd::getuid;

use crate::life::{Failure, PREDECESSOR_INTERVAL, failed, lock};
use crate::link;
use crate::predecessor::Predecessor;
use crate::sensor::prepare_run_directory;
use crate::settings::Settings;

/// Takes all programs out of force, after the audit log has said so. What they hold goes on once they are gone. Not while the
/// daemon runs: it would go on, and tell what is no longer so.
pub(crate) fn unload(settings: &Settings) -> Result<(), Failure> {
    prepare_run_directory(&settings.run_dir).map_err(|error| failed(&error))?;
    let _only_one = lock(settings, "systemctl stop aa-sensord, then aa-sensord unload")?;
    if !Kernel::is_pinned().map_err(|error| failed(&error))? {
        eprintln!("nothing is in force");
        return Ok(());
    }
    // Of another version's tables nothing is known.
    let governed = Kernel::running().map_err(|error| failed(&error))?.map(|kernel| {
        let tasks = Tasks::new(&kernel).and_then(|tasks| tasks.list());
        tasks.map_err(|error| failed(&error))
    });
    let governed = governed.transpose()?;
    let whom = match &governed {
        Some(rows) => format!("{} processes were governed", rows.len()),
        None => "whom another version of aa-sensord governed is not known".to_owned(),
    };
    // It writes to the log until it notices that its sensor is gone.
    let mut predecessor = Predecessor::default();
    while predecessor.runs(&settings.gateway_lock()) {
        std::thread::sleep(PREDECESSOR_INTERVAL);
    }
    link::record_unload(settings, &format!("all enforcement ends, by {}; {whom}", who())).map_err(|error| Failure {
        told: WireError::from_error("AA-S006", &error)
            .hint("enforcement goes on; make room for, or repair, the audit directory"),
        status: 1,
    })?;
    let held: Vec<ProcessHandle> = governed
        .iter()
        .flatten()
        .filter(|row| row.held != 0)
        .filter_map(|row| ProcessHandle::open(row.pid).ok())
        .collect();
    Kernel::unload().map_err(|error| failed(&error))?;
    for process in held {
        // It may have ended.
        drop(process.signal(Signal::SIGCONT));
    }
    eprintln!("nothing is enforced any more; {whom}");
    Ok(())
}

/// As the audit log keeps it. The login's user is who came, whatever they became since.
fn who() -> String {
    let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    match login.trim() {
        "" | "4294967295" => format!("user {}", getuid()),
        uid => format!("user {} (logged in as {uid})", getuid()),
    }
}
