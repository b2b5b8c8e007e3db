//! The sensor's state and what it does when asked. One thread owns all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::holds::{HoldError, Holds};
use aa_bpf::hooks::Way;
use aa_bpf::load::LoadError;
use aa_bpf::names::Names;
use aa_bpf::tables::{Resident, TableError, Tables};
use aa_bpf::tasks::{ProcessHandle, TaskError, Tasks};
use aa_bpf::{Kernel, pool::Extent};
use aa_policy::{Lowered, Mode};
use aa_wire::sensor::{
    COMMAND_LIMIT, FromSensor, GovernedProcess, Hello, LossCount, MAPS_TEXT_LIMIT, PROCESS_LIST_LIMIT,
    PROTOCOL_VERSION, PolicyInKernel, Reply, Request, Switch, ToSensor,
};
use aa_wire::status::{MapFill, ProgramRow, SelfTestRow, SensorStatus};
use aa_wire::{AgentId, CgroupId, Generation, Pid, SessionId, Slot, WireError};

use crate::halting::Halt;
use crate::host::HostSupport;
use crate::link::{Link, LinkError};
use crate::naming::{Hosts, Resolver};
use crate::probing::Probing;
use crate::reading::ReadingError;
use crate::registry::{AgentEntry, Registry, SlotEntry};
use crate::selecting::check_selectors;
use crate::{cgroups, plan, process, translate};

/// Everything the sensor owns.
#[derive(Debug)]
pub(crate) struct Sensor {
    pub(crate) host: HostSupport,
    pub(crate) way: Way,
    pub(crate) kernel: Kernel,
    pub(crate) tables: Tables,
    pub(crate) tasks: Tasks,
    pub(crate) holds: Holds,
    pub(crate) names: Names,
    pub(crate) resolver: Resolver,
    pub(crate) probing: Probing,
    pub(crate) halt: Halt,
    pub(crate) registry: Registry,
    pub(crate) boot_id: String,
    pub(crate) self_test: Vec<SelfTestRow>,
    /// What the gateway wants shown, until it is.
    pub(crate) standing: Option<String>,
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the tables of the policy cannot be read")]
    Tables(#[source] postcard::Error),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error(transparent)]
    Reading(#[from] ReadingError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Kernel(#[from] LoadError),
    #[error("cannot remember what is in force")]
    Registry(#[source] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("everything is halted, by {0}")]
    Halted(String),
    #[error("the switch that halts everything cannot be set")]
    Halt(#[source] io::Error),
    #[error("cannot read process {pid}")]
    Process { pid: u32, source: io::Error },
    #[error("cannot move process {pid} to a cgroup of its own")]
    Cgroup { pid: u32, source: io::Error },
    #[error("a selector of the policy cannot be used: {0}")]
    Selector(String),
}

impl RequestError {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Table(TableError::Pool(_)) => {
                Some("use fewer or shorter patterns, or raise `sensor.pool_mib` in /etc/aa-sensord/config.toml")
            }
            Self::Halted(_) => Some("aasm resume all"),
            Self::Table(TableError::Full { .. }) => Some("retire policies that are no longer used: `aasm policy list`"),
            _ => None,
        }
    }

    fn told(&self) -> WireError {
        let mut told = WireError::from_error("AA-S001", self);
        told.hint = self.hint().map(str::to_owned);
        told
    }
}

impl Sensor {
    /// What a new gateway is told first.
    pub(crate) fn greet(&self, link: &mut Link) -> Result<(), LinkError> {
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            abi_version: abi::AA_ABI_VERSION,
            boot_id: self.boot_id.clone(),
            boottime_to_realtime_ns: boottime_to_realtime_ns()?,
            adopted_pins: self.kernel.adopted,
            without_lsm: self.way == Way::Cgroup,
            judges_content: plan::judges_content(&self.self_test),
            policies_in_kernel: self
                .registry
                .slots()
                .map(|(slot, entry)| PolicyInKernel {
                    slot: Slot(slot),
                    generation: Generation(entry.generation),
                    name: entry.name.clone(),
                    digest: entry.digest.clone(),
                })
                .collect(),
        };
        let maps = ["decisions", "activity", "plaintext", "tls_answers"].map(|name| self.kernel.map(name));
        let maps: Result<Vec<_>, _> = maps.into_iter().collect();
        let maps = maps.map_err(|error| LinkError::Io(io::Error::other(error)))?;
        let descriptors: Vec<_> = maps.iter().map(|map| map.as_fd()).collect();
        link.send(&FromSensor::Hello(hello), &descriptors)
    }

    /// Answers one request.
    pub(crate) fn answer(&mut self, link: &mut Link, asked: ToSensor) -> Result<(), LinkError> {
        let id = asked.id;
        tracing::debug!(id, request = ?asked.body, "asked");
        if let Request::OpenMapped {
            pid,
            start_ns,
            from,
            to,
        } = asked.body
        {
            return match self.open_mapped(pid.0, start_ns, from, to) {
                Ok(file) => link.send(
                    &FromSensor::Response {
                        id,
                        result: Ok(Reply::Mapped),
                    },
                    &[file.as_fd()],
                ),
                Err(error) => link.send(
                    &FromSensor::Response {
                        id,
                        result: Err(error.told()),
                    },
                    &[],
                ),
            };
        }
        let result = self.perform(asked.body).map_err(|error| error.told());
        link.send(&FromSensor::Response { id, result }, &[])
    }

    fn perform(&mut self, request: Request) -> Result<Reply, RequestError> {
        match request {
            Request::LoadPolicy {
                name,
                digest,
                lowered,
                replaces,
                open_until_ns,
            } => self.load_policy(name, digest, &lowered, replaces, open_until_ns),
            Request::RetirePolicy { slot } => self.retire_policy(slot.0).map(|()| Reply::Done),
            Request::Govern {
                pid,
                start_ns,
                slot,
                agent_name,
            } => self.govern(pid.0, start_ns, slot.0, &agent_name),
            Request::Switch { agent, to } => self.switch(agent.0, to),
            Request::Open { slot, until_ns } => self.open(slot.0, until_ns).map(|()| Reply::Done),
            Request::Processes => self.processes().map(Reply::Processes),
            Request::Status => Ok(Reply::Status(Box::new(self.status()?))),
            Request::Maps { pid, start_ns } => {
                self.check_governed(pid.0, start_ns)?;
                let text = process::maps_text(pid.0, MAPS_TEXT_LIMIT);
                Ok(Reply::Maps {
                    text: text.map_err(|source| RequestError::Process { pid: pid.0, source })?,
                })
            }
            Request::Halt { by } => self.halt(&by),
            Request::LiftHalt => self.lift_halt(),
            Request::Standing { text } => {
                self.standing = Some(text);
                Ok(Reply::Done)
            }
            Request::Losses => self.losses().map(Reply::Losses),
            Request::IsGoverned { pid } => Ok(Reply::IsGoverned(self.tasks.list()?.iter().any(|row| row.pid == pid.0))),
            Request::Attend { for_ms } => {
                self.holds.attend(Duration::from_millis(for_ms.into()))?;
                Ok(Reply::Done)
            }
            Request::Grant(grant) => self.grant(&grant).map(|()| Reply::Done),
            Request::ReadProgram { pid, start_ns, name } => {
                self.read_program(pid.0, start_ns, &name).map(|()| Reply::Done)
            }
            Request::Continue { pid, start_ns } => self.continue_process(pid.0, start_ns).map(|()| Reply::Done),
            Request::ContinueHeld => self.continue_held().map(|_| Reply::Done),
            // Answered with a descriptor, in `answer`.
            Request::OpenMapped { .. } => Err(RequestError::Refused("asked in the wrong place".into())),
        }
    }

    fn load_policy(
        &mut self,
        name: String,
        digest: String,
        lowered: &[u8],
        replaces: bool,
        open_until_ns: u64,
    ) -> Result<Reply, RequestError> {
        let begun = Instant::now();
        let mut lowered: Lowered = postcard::from_bytes(lowered).map_err(RequestError::Tables)?;
        if !plan::judges_content(&self.self_test) {
            // Its gateway knows, and so does whoever wrote `on_gap: degrade`.
            lowered.contents.clear();
        }
        let known = self.registry.slot_named(&name);
        let slot = match (known, replaces) {
            (Some(slot), true) => slot,
            (None, false) => self.registry.free_slot().ok_or(RequestError::Table(TableError::Full {
                map: "policy_slots",
                capacity: abi::AA_MAX_SLOTS,
            }))?,
            (Some(_), false) => return Err(RequestError::Refused(format!("a policy `{name}` is in force already"))),
            (None, true) => return Err(RequestError::Refused(format!("no policy `{name}` is in force"))),
        };
        check_selectors(&lowered.selectors)?;
        let old = self.registry.slot(slot).cloned();
        let fresh = self.tables.add_policy(&translate::policy_tables(&lowered), slot)?;
        let agent = self.selector_agent(slot, &lowered, old.as_ref())?;
        let hosts = lowered.hosts.map(|table| Hosts {
            observes: lowered.mode == Mode::Observe,
            table,
        });
        match &hosts {
            Some(hosts) if old.is_some() => self.prepare_hosts(slot, fresh.generation, hosts),
            _ => {}
        }
        // Neither is open for a moment longer than it is to be.
        let opening = if old.is_some() { self.tables.opening(slot)? } else { 0 };
        self.tables.set_opening(slot, opening.min(open_until_ns))?;
        self.tables.set_slot(slot, fresh.index, agent)?;
        self.tables.set_opening(slot, open_until_ns)?;
        if let Some(old) = old {
            self.remove_resident(old.index)?;
        }
        let entry = SlotEntry {
            name,
            digest,
            generation: fresh.generation,
            index: fresh.index,
            agent,
            selectors: lowered.selectors,
            hosts,
        };
        let told = entry.hosts.is_some() && known.is_some();
        self.registry.set_slot(slot, entry).map_err(RequestError::Registry)?;
        if !told {
            self.tell_hosts(slot);
        }
        self.refresh_selectors()?;
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(slot, generation = fresh.generation, took_us, "policy in force");
        Ok(Reply::Loaded {
            slot: Slot(slot),
            generation: Generation(fresh.generation),
            took_us,
        })
    }

    /// The agent that a policy's selectors make; it stays the same over reloads.
    fn selector_agent(&mut self, slot: u32, lowered: &Lowered, old: Option<&SlotEntry>) -> Result<u32, RequestError> {
        if let Some(agent) = old.map(|old| old.agent).filter(|agent| *agent != 0) {
            return Ok(agent);
        }
        if lowered.selectors.is_empty() {
            return Ok(0);
        }
        let agent = self.new_agent(&lowered.name, slot, true)?;
        Ok(agent)
    }

    fn new_agent(&mut self, name: &str, slot: u32, by_selector: bool) -> Result<u32, RequestError> {
        if self.registry.free_agent().is_none() {
            self.forget_ended()?;
        }
        let agent = self.registry.free_agent().ok_or(TableError::Full {
            map: "agents",
            capacity: abi::AA_MAX_AGENTS,
        })?;
        self.tables.begin_agent(agent, slot)?;
        if self.halt.by().is_some() {
            self.tables.set_agent(agent, slot, abi::AA_AGENT_KILLED)?;
        }
        self.tables.forget_labels(agent)?;
        let entry = AgentEntry {
            name: name.to_owned(),
            slot,
            by_selector,
        };
        self.registry.set_agent(agent, entry).map_err(RequestError::Registry)?;
        // Before it runs.
        self.probing.listen(true);
        self.tell_agent(agent, slot);
        Ok(agent)
    }

    fn remove_resident(&mut self, index: u32) -> Result<(), RequestError> {
        let gone = Resident {
            index,
            generation: 0,
            extent: Extent { start: 0, words: 0 },
        };
        let resident = self.tables.resident(index).unwrap_or(gone);
        Ok(self.tables.remove_policy(resident)?)
    }

    fn open(&self, slot: u32, until_ns: u64) -> Result<(), RequestError> {
        if self.registry.slot(slot).is_none() {
            return Err(RequestError::Refused(format!("no policy is in slot {slot}")));
        }
        Ok(self.tables.set_opening(slot, until_ns)?)
    }

    fn retire_policy(&mut self, slot: u32) -> Result<(), RequestError> {
        let entry = self.registry.slot(slot).cloned();
        let entry = entry.ok_or_else(|| RequestError::Refused(format!("no policy is in slot {slot}")))?;
        self.forget_ended()?;
        let user = self
            .registry
            .agents()
            .find(|(agent, user)| user.slot == slot && *agent != entry.agent);
        if let Some((agent, user)) = user {
            return Err(RequestError::Refused(format!(
                "agent {agent} ({}) is still governed by `{}`",
                user.name, entry.name
            )));
        }
        if entry.agent != 0 && self.tasks.list()?.iter().any(|row| row.agent == entry.agent) {
            return Err(RequestError::Refused(format!(
                "processes are still governed by `{}`",
                entry.name
            )));
        }
        self.registry.remove_slot(slot).map_err(RequestError::Registry)?;
        self.refresh_selectors()?;
        self.tell_hosts(slot);
        if entry.agent != 0 {
            self.remove_agent(entry.agent)?;
        }
        self.tables.set_slot(slot, 0, 0)?;
        self.remove_resident(entry.index)
    }

    fn govern(&mut self, pid: u32, start_ns: Option<u64>, slot: u32, name: &str) -> Result<Reply, RequestError> {
        self.check_halt()?;
        let entry = self.registry.slot(slot);
        if entry.is_none() {
            return Err(RequestError::Refused(format!("no policy is in slot {slot}")));
        }
        let handle = ProcessHandle::open(pid)?;
        let unreadable = |source| RequestError::Process { pid, source };
        if let Some(start_ns) = start_ns
            && !process::started_at(pid, start_ns).map_err(unreadable)?
        {
            return Err(RequestError::Refused(format!(
                "process {pid} is not the one that asked"
            )));
        }
        if self.tasks.identity(&handle)?.is_some() {
            return Err(RequestError::Refused(format!("process {pid} is governed already")));
        }
        if process::threads(pid).map_err(unreadable)? != 1 {
            return Err(RequestError::Refused(format!(
                "process {pid} has several threads; only one would be governed"
            )));
        }
        let agent = self.new_agent(name, slot, false)?;
        let governed = self.place(&handle, agent);
        if governed.is_err() {
            self.remove_agent(agent)?;
            cgroups::leave(agent);
        }
        governed
    }

    fn place(&mut self, handle: &ProcessHandle, agent: u32) -> Result<Reply, RequestError> {
        let pid = handle.pid;
        let failed = |source| RequestError::Cgroup { pid, source };
        let cgroup = cgroups::make(agent).map_err(failed)?;
        let session = self.tables.next_session()?;
        self.tasks.govern(handle, agent, session)?;
        cgroups::gather(agent, self.tasks.lister()).map_err(failed)?;
        Ok(Reply::Governed {
            agent: AgentId(agent),
            session: SessionId(session),
            cgroup: CgroupId(cgroup),
        })
    }

    /// Frees the numbers of agents that have no task any more.
    pub(crate) fn forget_ended(&mut self) -> Result<(), RequestError> {
        let alive: BTreeSet<u32> = self.tasks.list()?.iter().map(|row| row.agent).collect();
        let ended: Vec<u32> = self
            .registry
            .agents()
            .filter(|(agent, entry)| !entry.by_selector && !alive.contains(agent))
            .map(|(agent, _)| agent)
            .collect();
        for agent in ended {
            cgroups::leave(agent);
            self.remove_agent(agent)?;
        }
        Ok(())
    }

    /// Its number may be given out again; nothing of it stays behind.
    fn remove_agent(&mut self, agent: u32) -> Result<(), RequestError> {
        self.forget_names(agent);
        self.registry.remove_agent(agent).map_err(RequestError::Registry)
    }

    fn processes(&self) -> Result<Vec<GovernedProcess>, RequestError> {
        let rows = self.tasks.list()?;
        let mut switches = BTreeMap::new();
        for agent in rows.iter().map(|row| row.agent).collect::<BTreeSet<_>>() {
            switches.insert(agent, self.switch_of(agent)?);
        }
        let leaders = rows.iter().filter(|row| row.pid == row.tid).take(PROCESS_LIST_LIMIT);
        Ok(leaders
            .map(|row| GovernedProcess {
                agent: AgentId(row.agent),
                session: SessionId(row.session),
                pid: Pid(row.pid),
                threads: u32::try_from(rows.iter().filter(|other| other.pid == row.pid).count()).unwrap_or(u32::MAX),
                start_ns: row.start_ns,
                parent_pid: Pid(row.parent_pid),
                uid: row.uid,
                command: row
                    .command
                    .iter()
                    .copied()
                    .take_while(|byte| *byte != 0)
                    .take(COMMAND_LIMIT)
                    .collect(),
                held: rows.iter().any(|other| other.pid == row.pid && other.held != 0),
                switch: switches.get(&row.agent).copied().unwrap_or(Switch::Running),
            })
            .collect())
    }

    pub(crate) fn check_governed(&self, pid: u32, start_ns: u64) -> Result<(), RequestError> {
        let handle = ProcessHandle::open(pid)?;
        let same = process::started_at(pid, start_ns).map_err(|source| RequestError::Process { pid, source })?;
        if !same || self.tasks.identity(&handle)?.is_none() {
            return Err(RequestError::Refused(format!("process {pid} is gone or not governed")));
        }
        Ok(())
    }

    fn open_mapped(&self, pid: u32, start_ns: u64, from: u64, to: u64) -> Result<std::fs::File, RequestError> {
        self.check_governed(pid, start_ns)?;
        process::open_mapped(pid, from, to).map_err(|source| RequestError::Process { pid, source })
    }

    fn losses(&self) -> Result<Vec<LossCount>, RequestError> {
        let counts = self.tables.losses()?;
        Ok(abi::losses()
            .iter()
            .zip(counts)
            .map(|((_, name, _), count)| LossCount {
                cause: (*name).to_owned(),
                count,
            })
            .chain([LossCount {
                cause: "lookups-untold".to_owned(),
                count: self.resolver.untold,
            }])
            .collect())
    }

    fn status(&self) -> Result<SensorStatus, RequestError> {
        let programs = self.kernel.attached();
        let hooks: Vec<&str> = programs
            .iter()
            .filter_map(|program| program.hook.split('/').nth(1))
            .collect();
        let passed: Vec<&str> = self
            .self_test
            .iter()
            .filter(|row| row.passed)
            .map(|row| row.hook.as_str())
            .collect();
        Ok(SensorStatus {
            resolver: self.resolver.is_ready(),
            tls: self.probing.coverage(),
            halted: self.halt.by(),
            host: self.host.facts(),
            protections: plan::coverage(self.way, &hooks, &passed),
            self_test: self.self_test.clone(),
            programs: programs
                .iter()
                .map(|program| ProgramRow {
                    name: program.program.clone(),
                    hook: program.hook.clone(),
                    link_id: program.link_id,
                })
                .collect(),
            losses: self.losses()?,
            adopted: self.kernel.adopted,
            maps: self
                .tables
                .fill()
                .iter()
                .map(|fill| MapFill {
                    name: fill.map.to_owned(),
                    used: fill.used.into(),
                    capacity: fill.capacity.into(),
                })
                .collect(),
        })
    }
}

/// What to add to the kernel's record times to get nanoseconds since 1970.
fn boottime_to_realtime_ns() -> io::Result<i64> {
    use nix::time::{ClockId, clock_gettime};
    let nanoseconds = |clock| -> io::Result<i64> {
        let time = clock_gettime(clock)?;
        Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
    };
    Ok(nanoseconds(ClockId::CLOCK_REALTIME)? - nanoseconds(ClockId::CLOCK_BOOTTIME)?)
}

/// The directory for what must be forgotten at the next boot.
pub(crate) fn prepare_run_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}
