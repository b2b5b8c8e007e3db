//! Who stands still until files are read, and the note of it: a sensor that dies leaves them standing, and the next one,
//! even one that may not start, has them go on.
//!
//! The note's lines are `agent N` (its cgroup is frozen) and `process PID TICKS` (it is stopped; when it started).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use aa_bpf::tasks::ProcessHandle;
use nix::sys::signal::Signal;

use crate::{cgroups, process};

/// An agent that waits.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) files: BTreeSet<u64>,
    pub(super) since: Instant,
    /// Whether its cgroup is frozen by us.
    frozen: bool,
    /// Processes outside of it, which are stopped.
    stopped: Vec<Stopped>,
}

#[derive(Debug)]
struct Stopped {
    process: ProcessHandle,
    started: u64,
}

impl Standing {
    pub(super) fn new() -> Self {
        Self {
            files: BTreeSet::new(),
            since: Instant::now(),
            frozen: false,
            stopped: Vec::new(),
        }
    }

    /// Whether it now has to be noted and held.
    pub(super) fn take(&mut self, agent: u32, process: ProcessHandle) -> bool {
        if cgroups::members(agent).contains(&process.pid) {
            return !std::mem::replace(&mut self.frozen, true);
        }
        // One that has ended needs nothing.
        match process::start_ticks(process.pid) {
            Ok(started) if !self.stopped.iter().any(|other| other.process.pid == process.pid) => {
                self.stopped.push(Stopped { process, started });
                true
            }
            _ => false,
        }
    }

    /// Has them stand still, once that is noted.
    pub(super) fn hold(&self, agent: u32) {
        if self.frozen {
            cgroups::freeze(agent, true);
        }
        self.signal(Signal::SIGSTOP);
    }

    pub(super) fn let_go(&self, agent: u32) {
        self.signal(Signal::SIGCONT);
        if self.frozen {
            cgroups::freeze(agent, false);
        }
    }

    /// Whether its cgroup stands still is somebody else's to say.
    pub(super) fn leave_frozen(&mut self) {
        self.frozen = false;
    }

    /// Those who have ended meanwhile take no signal.
    fn signal(&self, signal: Signal) {
        for stopped in &self.stopped {
            drop(stopped.process.signal(signal));
        }
    }

    pub(super) fn note(&self, agent: u32) -> String {
        let frozen = if self.frozen {
            format!("agent {agent}\n")
        } else {
            String::new()
        };
        let stopped = self.stopped.iter();
        let stopped = stopped.map(|stopped| format!("process {} {}\n", stopped.process.pid, stopped.started));
        stopped.fold(frozen, |note, line| note + &line)
    }
}

/// Has those go on whom a sensor left standing that died. What cannot be read is nobody.
pub(crate) fn let_left_go(note: &Path) {
    let text = std::fs::read_to_string(note).unwrap_or_default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["agent", number] = words[..]
            && let Ok(agent) = number.parse()
        {
            cgroups::freeze(agent, false);
        } else if let ["process", pid, ticks] = words[..]
            && let (Ok(pid), Ok(ticks)) = (pid.parse(), ticks.parse::<u64>())
            && let Ok(handle) = ProcessHandle::open(pid)
            && process::start_ticks(pid).is_ok_and(|started| started == ticks)
        {
            drop(handle.signal(Signal::SIGCONT));
        }
    }
    // Said once more, it would undo what was suspended since.
    if let Err(error) = std::fs::write(note, "") {
        tracing::warn!(%error, "the note of who stands still stays");
    }
}
