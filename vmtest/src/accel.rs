//! Whether KVM can be trusted here. A /dev/kvm that opens may still not run a stock kernel (nested and para-virtual hosts), so the question
//! is settled by booting one, once per host kernel.

use std::fs::{self, OpenOptions};

use anyhow::{Context, Result};

use crate::cli::GuestOptions;
use crate::job::{Job, Task};
use crate::qemu::Accel;
use crate::report::note;
use crate::session::Session;
use crate::supervise::{End, Sinks};
use crate::table::Kernel;

const TRIAL_LIMIT_S: u64 = 20;

/// KVM if a trial boot works, else TCG; the answer is kept in the cache.
pub(crate) fn choose(session: &Session, kernel: &Kernel, options: &GuestOptions) -> Result<Accel> {
    if OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accel::Tcg);
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kept = session.cache.path("accel");
    match fs::read_to_string(&kept) {
        Ok(text) if text == record(Accel::Kvm, &release) => return Ok(Accel::Kvm),
        Ok(text) if text == record(Accel::Tcg, &release) => return Ok(Accel::Tcg),
        _ => {}
    }
    note(&format!(
        "/dev/kvm is there; trying for {TRIAL_LIMIT_S} s whether it runs kernel {}",
        kernel.name
    ));
    let accel = if trial(session, kernel, options)? {
        Accel::Kvm
    } else {
        Accel::Tcg
    };
    note(&format!(
        "guests run under {accel} from now on (kept in {})",
        kept.display()
    ));
    fs::write(&kept, record(accel, &release)).with_context(|| format!("cannot write {}", kept.display()))?;
    Ok(accel)
}

fn record(accel: Accel, release: &str) -> String {
    format!("{accel} {release}")
}

fn trial(session: &Session, kernel: &Kernel, options: &GuestOptions) -> Result<bool> {
    let script = tempfile::NamedTempFile::new().context("cannot make the trial's script")?;
    let job = Job {
        kernel: format!("{}-kvm-trial", kernel.name),
        expect: kernel.expect,
        installs: Vec::new(),
        start_daemon: false,
        task: Task::Script {
            path: script.path().to_owned(),
            arguments: Vec::new(),
        },
    };
    let options = GuestOptions {
        timeout: TRIAL_LIMIT_S,
        ..options.clone()
    };
    let fetched = session.fetch(kernel, false)?;
    let sinks = Sinks {
        stdout: Box::new(|_| {}),
        stderr: Box::new(|_| {}),
    };
    // An error of QEMU's start is an answer, too.
    let run = session.boot(&fetched, &kernel.append, &job, Accel::Kvm, &options, sinks);
    Ok(run.is_ok_and(|run| run.outcome.end == End::Exited(0)))
}
