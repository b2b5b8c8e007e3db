//! The switches of an agent: killed, suspended, running again.
//!
//! The flag is what holds: while it is set every hook denies, whatever the processes still do, and nothing starts anew. A
//! hook whose rule says `suspend` or `kill` has set it already. Cgroup and signals make it quiet.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::tasks::ProcessHandle;
use aa_wire::sensor::{Reply, Switch};
use nix::sys::signal::Signal;

use crate::cgroups;
use crate::sensor::{RequestError, Sensor};

/// How long a kill waits for the last process to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// How long a freeze waits for the last process to stand still, before what goes on is denied.
const FREEZE_DEADLINE: Duration = Duration::from_millis(100);

impl Sensor {
    /// What the agent's flags say.
    pub(crate) fn switch_of(&self, agent: u32) -> Result<Switch, RequestError> {
        let flags = self.tables.agent(agent)?.flags;
        Ok(if flags & abi::AA_AGENT_KILLED != 0 {
            Switch::Killed
        } else if flags & abi::AA_AGENT_SUSPENDED != 0 {
            Switch::Suspended
        } else {
            Switch::Running
        })
    }

    pub(crate) fn switch(&mut self, agent: u32, to: Switch) -> Result<Reply, RequestError> {
        let begun = Instant::now();
        let slot = self.registry.agent(agent).map(|entry| entry.slot);
        let slot = slot.ok_or_else(|| RequestError::Refused(format!("there is no agent {agent}")))?;
        self.probing.leave_to_switch(agent);
        let processes = match to {
            Switch::Killed => {
                self.tables.set_agent(agent, slot, abi::AA_AGENT_KILLED)?;
                self.kill_all(agent, begun + KILL_DEADLINE)?
            }
            Switch::Suspended => {
                if self.switch_of(agent)? == Switch::Killed {
                    return Err(RequestError::Refused(format!("agent {agent} is killed")));
                }
                // First, so that an agent that is resumed has seen no action of its fail.
                let processes = self.freeze_all(agent, begun + FREEZE_DEADLINE)?;
                self.tables.set_agent(agent, slot, abi::AA_AGENT_SUSPENDED)?;
                processes
            }
            Switch::Running => {
                self.tables.set_agent(agent, slot, 0)?;
                self.thaw_all(agent)?
            }
        };
        Ok(Reply::Switched {
            processes: u32::try_from(processes).unwrap_or(u32::MAX),
            took_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    fn processes_of(&self, agent: u32) -> Result<BTreeSet<u32>, RequestError> {
        let rows = self.tasks.list()?;
        let leaders = rows.iter().filter(|row| row.agent == agent && row.pid == row.tid);
        Ok(leaders.map(|row| row.pid).collect())
    }

    /// Signals a process, if it is still the agent's. One that is gone by now needs no signal.
    fn signal(&self, agent: u32, pid: u32, signal: Signal) -> Result<(), RequestError> {
        if let Ok(handle) = ProcessHandle::open(pid)
            && self
                .tasks
                .identity(&handle)?
                .is_some_and(|identity| identity.agent == agent)
        {
            drop(handle.signal(signal));
        }
        Ok(())
    }

    /// All at once where they are in the agent's cgroup, and then one by one whoever is left. Not frozen first: they would
    /// be woken to be frozen, and woken again to be killed.
    fn kill_all(&self, agent: u32, deadline: Instant) -> Result<usize, RequestError> {
        cgroups::kill(agent);
        let mut killed = BTreeSet::new();
        loop {
            let alive = self.processes_of(agent)?;
            if alive.is_empty() || Instant::now() > deadline {
                return Ok(killed.len());
            }
            for pid in alive {
                killed.insert(pid);
                self.signal(agent, pid, Signal::SIGKILL)?;
            }
        }
    }

    /// Frozen where they are in the agent's cgroup, which they cannot undo; stopped where they are not. Those that a
    /// SIGCONT of their own sets going again are denied everything.
    fn freeze_all(&self, agent: u32, deadline: Instant) -> Result<usize, RequestError> {
        cgroups::freeze(agent, true);
        let processes = self.processes_of(agent)?;
        let frozen = cgroups::members(agent);
        for pid in processes.difference(&frozen) {
            self.signal(agent, *pid, Signal::SIGSTOP)?;
        }
        while !cgroups::stands_still(agent) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(processes.len())
    }

    fn thaw_all(&self, agent: u32) -> Result<usize, RequestError> {
        let processes = self.processes_of(agent)?;
        for pid in processes.difference(&cgroups::members(agent)) {
            self.signal(agent, *pid, Signal::SIGCONT)?;
        }
        cgroups::freeze(agent, false);
        Ok(processes.len())
    }
}
