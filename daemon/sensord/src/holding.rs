//! What the sensor does for asks: lays answers into the kernel and lets stopped processes go on. It decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use aa_bpf::holds;
use aa_bpf::tasks::ProcessHandle;
use aa_wire::sensor;
use nix::sys::signal::Signal;

use crate::sensor::{RequestError, Sensor};

impl Sensor {
    /// Lays the answer where the thread finds it, then lets the process go on. In this order: it finds it at once.
    pub(crate) fn grant(&mut self, grant: &sensor::Grant) -> Result<(), RequestError> {
        self.check_governed(grant.pid.0, grant.start_ns)?;
        let answer = holds::Grant {
            digest: grant.digest,
            start_ns: grant.start_ns,
            agent: grant.agent.0,
            tid: grant.tid,
            allow: grant.allow,
            reason: grant.reason.into(),
        };
        self.holds
            .grant(&answer, Duration::from_millis(grant.good_for_ms.into()))?;
        self.continue_process(grant.pid.0, grant.start_ns)
    }

    /// SIGCONT for exactly this process. What of it has no answer yet only asks again.
    pub(crate) fn continue_process(&self, pid: u32, start_ns: u64) -> Result<(), RequestError> {
        let handle = ProcessHandle::open(pid)?;
        // After the handle was taken: it cannot have become another's in between.
        self.check_governed(pid, start_ns)?;
        handle
            .signal(Signal::SIGCONT)
            .map_err(|source| RequestError::Process { pid, source })
    }

    /// Lets every process go on that we stopped; how many there were. For a gateway that has just begun, which knows
    /// of none, and for the end, when nobody will answer.
    pub(crate) fn continue_held(&self) -> Result<usize, RequestError> {
        let held: BTreeSet<(u32, u64)> = self
            .tasks
            .list()?
            .iter()
            .filter(|row| row.held != 0)
            .map(|row| (row.pid, row.start_ns))
            .collect();
        for (pid, start_ns) in &held {
            if let Err(error) = self.continue_process(*pid, *start_ns) {
                // It may have ended.
                tracing::debug!(pid, %error, "a held process was not continued");
            }
        }
        Ok(held.len())
    }
}
