//! The protocol between the sensor (`aa-sensord`, privileged) and the gateway (`aa-gateway`, its child, unprivileged).
//!
//! The sensor starts the gateway with one end of a stream socket pair as descriptor 0 and sends [`Hello`] first. Then
//! the gateway asks and the sensor answers each [`Request`] by its id, in any order. When either side reads the end of
//! the stream, or bytes that are no frame, the other is gone: the gateway ends, the sensor starts a new one.
//!
//! Both sides are of one build, but the sensor trusts nothing the gateway says beyond what its requests can express.

use serde::{Deserialize, Serialize};

use crate::frame::{BODY_LIMIT, Message, POLICY_BODY_LIMIT};
use crate::ids::{AgentId, CgroupId, Generation, Pid, SessionId, Slot};
use crate::problem::WireError;
use crate::resolver::{Looked, Named};
use crate::status::SensorStatus;

/// The version of this protocol; the gateway refuses a `Hello` with another.
pub const PROTOCOL_VERSION: u16 = 13;
/// Bytes of `/proc/PID/maps` that are handed on; the rest is cut at a line's end.
pub const MAPS_TEXT_LIMIT: usize = BODY_LIMIT / 2;
/// Processes in one list; beyond it the list is cut.
pub const PROCESS_LIST_LIMIT: usize = 8192;
/// Bytes of a process's command in [`GovernedProcess`].
pub const COMMAND_LIMIT: usize = 64;
/// Descriptors beside a [`Hello`]: the ring maps of decisions, activity and plaintext, and the table of answers to what is asked in the
/// last, in this order.
pub const HELLO_DESCRIPTORS: usize = 4;

/// A frame from the gateway. The body comes first, so that the first byte names the kind and with it the size limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToSensor {
    /// What is asked.
    pub body: Request,
    /// Chosen by the gateway, repeated in the response.
    pub id: u64,
}

/// What the gateway asks of the sensor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Builds tables from a lowered policy and puts them in force; answered by [`Reply::Loaded`].
    LoadPolicy {
        /// The key of the slot: one name, one slot.
        name: String,
        /// Of the policy, as `aa_policy` computes it; told again in [`PolicyInKernel`].
        digest: String,
        /// `aa_policy::Lowered` in postcard.
        lowered: Vec<u8>,
        /// The slot of this name must exist and gets the new tables in one write; else it must not exist.
        replaces: bool,
        /// As in [`Request::Open`].
        open_until_ns: u64,
    },
    /// Until when a policy with hours is open; from then on it denies everything. Answered by [`Reply::Done`].
    Open {
        /// As told by [`Reply::Loaded`].
        slot: Slot,
        /// Boot time, nanoseconds; what has passed closes it.
        until_ns: u64,
    },
    /// Takes a policy out of force; refused while agents use the slot. Answered by [`Reply::Done`].
    RetirePolicy {
        /// As told by [`Reply::Loaded`].
        slot: Slot,
    },
    /// Makes a process and its descendants governed; answered by [`Reply::Governed`].
    Govern {
        /// Thread group id in the initial pid namespace.
        pid: Pid,
        /// When the process started, if known: another process of this pid is then refused.
        start_ns: Option<u64>,
        /// The policy that is to govern it.
        slot: Slot,
        /// For people; not unique.
        agent_name: String,
    },
    /// Throws a switch of an agent, then does to its processes as it says; answered by [`Reply::Switched`].
    Switch {
        /// Whose.
        agent: AgentId,
        /// Which.
        to: Switch,
    },
    /// The governed processes; answered by [`Reply::Processes`].
    Processes,
    /// Everything `aasm status` tells about the kernel's side; answered by [`Reply::Status`].
    Status,
    /// The text of `/proc/PID/maps` of a governed process; answered by [`Reply::Maps`].
    Maps {
        /// Which process.
        pid: Pid,
        /// When it started: another process of this pid is refused.
        start_ns: u64,
    },
    /// A file mapped by a governed process, opened for reading; answered by [`Reply::Mapped`] with a descriptor beside.
    OpenMapped {
        /// Which process.
        pid: Pid,
        /// When it started: another process of this pid is refused.
        start_ns: u64,
        /// First address of the mapping, as in `/proc/PID/maps`.
        from: u64,
        /// First address behind the mapping.
        to: u64,
    },
    /// The kernel's loss counters; answered by [`Reply::Losses`].
    Losses,
    /// Whether any thread of a process is governed; answered by [`Reply::IsGoverned`].
    IsGoverned {
        /// Which process.
        pid: Pid,
    },
    /// Answers are taken for so long from now on: rules that ask may stop processes. Answered by [`Reply::Done`].
    Attend {
        /// Milliseconds; 0: not any more.
        for_ms: u32,
    },
    /// Gives a held thread its answer and lets its process go on; answered by [`Reply::Done`].
    Grant(Grant),
    /// Reads a program that a held process is about to run, and tells the kernel what is in it; answered by [`Reply::Done`].
    ReadProgram {
        /// Thread group id in the initial pid namespace.
        pid: Pid,
        /// When it started: another process of this pid is refused.
        start_ns: u64,
        /// As in the record of the hold: bytes, from the process's root on.
        name: Vec<u8>,
    },
    /// Lets a process that was stopped for an ask go on; what has no answer asks again. Answered by [`Reply::Done`].
    Continue {
        /// Thread group id in the initial pid namespace.
        pid: Pid,
        /// When it started: another process of this pid is left alone.
        start_ns: u64,
    },
    /// The same for every process that was stopped for an ask. Answered by [`Reply::Done`].
    ContinueHeld,
    /// Kills every agent, and nobody is governed anew until that is lifted; answered by [`Reply::Halted`].
    Halt {
        /// Who wants it.
        by: String,
    },
    /// Lifts that, and whoever was killed may be started again. Answered by [`Reply::Done`].
    LiftHalt,
    /// The policies are read, and what of them is to be in force is; answered by [`Reply::Done`].
    Standing {
        /// For the service manager to show: one line.
        text: String,
    },
}

/// What becomes of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// Nothing bars it.
    Running,
    /// Its processes stand still, and what they do is denied.
    Suspended,
    /// Its processes are killed, and what they do is denied.
    Killed,
}

impl std::fmt::Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Killed => "killed",
        })
    }
}

/// An answer for one held thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Whose.
    pub agent: AgentId,
    /// Thread group id in the initial pid namespace.
    pub pid: Pid,
    /// The thread.
    pub tid: u32,
    /// When the process started.
    pub start_ns: u64,
    /// As in the record of the hold.
    pub digest: [u64; 2],
    /// Yes or no.
    pub allow: bool,
    /// What the record of it says: a number of `AA_REASONS`.
    pub reason: u16,
    /// How long the answer is good, milliseconds.
    pub good_for_ms: u32,
}

/// The gateway's exit status where its configuration cannot be used (sysexits.h, EX_CONFIG).
pub const WRONG_CONFIGURATION: u8 = 78;

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LoadPolicy {
                name,
                digest,
                lowered,
                replaces,
                open_until_ns,
            } => f
                .debug_struct("LoadPolicy")
                .field("name", name)
                .field("digest", digest)
                .field("lowered_bytes", &lowered.len())
                .field("replaces", replaces)
                .field("open_until_ns", open_until_ns)
                .finish(),
            Self::RetirePolicy { slot } => write!(f, "RetirePolicy({slot})"),
            Self::Govern {
                pid, slot, agent_name, ..
            } => write!(f, "Govern({pid}, slot {slot}, {agent_name:?})"),
            Self::Open { slot, until_ns } => write!(f, "Open({slot}, until {until_ns})"),
            Self::Switch { agent, to } => write!(f, "Switch({agent}, {to})"),
            Self::Halt { by } => write!(f, "Halt({by})"),
            Self::LiftHalt => f.write_str("LiftHalt"),
            Self::Standing { text } => write!(f, "Standing({text:?})"),
            Self::Processes => f.write_str("Processes"),
            Self::Status => f.write_str("Status"),
            Self::Maps { pid, .. } => write!(f, "Maps({pid})"),
            Self::ReadProgram { pid, .. } => write!(f, "ReadProgram({pid})"),
            Self::OpenMapped { pid, from, to, .. } => write!(f, "OpenMapped({pid}, {from:x}-{to:x})"),
            Self::Losses => f.write_str("Losses"),
            Self::IsGoverned { pid } => write!(f, "IsGoverned({pid})"),
            Self::Attend { for_ms } => write!(f, "Attend({for_ms} ms)"),
            Self::Grant(grant) => write!(f, "Grant({}, thread {}, allow {})", grant.pid, grant.tid, grant.allow),
            Self::Continue { pid, .. } => write!(f, "Continue({pid})"),
            Self::ContinueHeld => f.write_str("ContinueHeld"),
        }
    }
}

/// A frame from the sensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromSensor {
    /// The first frame, with [`HELLO_DESCRIPTORS`] descriptors beside.
    Hello(Hello),
    /// What became of a question to the resolver, to be recorded.
    Looked(Looked),
    /// A name leads somewhere, said before the agent learns it: whoever has an answer to a request of after the agent's
    /// connection has heard of this before.
    Named(Named),
    /// Everything was halted, not by a request: by whom and what came of it, to be recorded.
    Halted(String),
    /// Read the policies again (the sensor got SIGHUP).
    Reload,
    /// End: write what is to be written and exit.
    Shutdown,
    /// The answer to a request.
    Response {
        /// The request's.
        id: u64,
        /// What came of it.
        result: Result<Reply, WireError>,
    },
}

/// What the sensor tells about itself before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sensor.
    pub protocol_version: u16,
    /// `AA_ABI_VERSION` of the kernel's records.
    pub abi_version: u32,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// To be added to a record's time to get nanoseconds since 1970.
    pub boottime_to_realtime_ns: i64,
    /// The sensor found a predecessor's programs and tables and goes on with them.
    pub adopted_pins: bool,
    /// The kernel takes no LSM programs: only rules about addresses, hosts, programs and how often are carried out.
    pub without_lsm: bool,
    /// Rules about what is in programs (`sha256:`) are carried out.
    pub judges_content: bool,
    /// What is in force already.
    pub policies_in_kernel: Vec<PolicyInKernel>,
}

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInKernel {
    /// Where.
    pub slot: Slot,
    /// Which load of it.
    pub generation: Generation,
    /// As in [`Request::LoadPolicy`].
    pub name: String,
    /// As in [`Request::LoadPolicy`].
    pub digest: String,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::LoadPolicy`].
    Loaded {
        /// Of this name, the same as before if it replaced.
        slot: Slot,
        /// Of this load: what records cite.
        generation: Generation,
        /// From request to force, microseconds.
        took_us: u64,
    },
    /// To requests that have nothing more to say.
    Done,
    /// To [`Request::Govern`].
    Governed {
        /// The agent the process now is.
        agent: AgentId,
        /// The session it opened.
        session: SessionId,
        /// The cgroup it was moved to.
        cgroup: CgroupId,
    },
    /// Everybody was killed.
    Halted {
        /// Whom.
        agents: Vec<AgentId>,
        /// How many processes that were.
        processes: u32,
        /// Until the last one had ended, microseconds.
        took_us: u64,
    },
    /// To [`Request::Switch`].
    Switched {
        /// How many processes there were.
        processes: u32,
        /// From request to the last one's end or standstill, microseconds.
        took_us: u64,
    },
    /// To [`Request::Processes`]; at most [`PROCESS_LIST_LIMIT`].
    Processes(Vec<GovernedProcess>),
    /// To [`Request::Status`].
    Status(Box<SensorStatus>),
    /// To [`Request::Maps`]; at most [`MAPS_TEXT_LIMIT`] bytes.
    Maps {
        /// Raw: parts of it are chosen by the process.
        text: Vec<u8>,
    },
    /// To [`Request::OpenMapped`], with one descriptor beside.
    Mapped,
    /// To [`Request::Losses`].
    Losses(Vec<LossCount>),
    /// To [`Request::IsGoverned`].
    IsGoverned(bool),
}

/// A process that is governed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernedProcess {
    /// Whose.
    pub agent: AgentId,
    /// Of which session.
    pub session: SessionId,
    /// Thread group id in the initial pid namespace.
    pub pid: Pid,
    /// Threads of it.
    pub threads: u32,
    /// When it started, boot time.
    pub start_ns: u64,
    /// Its parent's thread group id.
    pub parent_pid: Pid,
    /// Real user id.
    pub uid: u32,
    /// Its `comm`, raw: chosen by the process.
    pub command: Vec<u8>,
    /// A thread of it is stopped until somebody answers.
    pub held: bool,
    /// What its agent's switches say.
    pub switch: Switch,
}

/// How often something was lost, by cause (`AA_LOSSES` in `bpf/abi/reasons.h`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossCount {
    /// The name in metrics.
    pub cause: String,
    /// Since the tables were made.
    pub count: u64,
}

impl FromSensor {
    /// How many descriptors travel beside this frame.
    pub fn descriptors(&self) -> usize {
        match self {
            Self::Hello(_) => HELLO_DESCRIPTORS,
            Self::Response {
                result: Ok(Reply::Mapped),
                ..
            } => 1,
            Self::Looked(_)
            | Self::Named(_)
            | Self::Halted(_)
            | Self::Reload
            | Self::Shutdown
            | Self::Response { .. } => 0,
        }
    }
}

impl Message for ToSensor {
    fn limit(first_byte: u8) -> usize {
        // `LoadPolicy` is variant 0; a test holds it.
        if first_byte == 0 { POLICY_BODY_LIMIT } else { BODY_LIMIT }
    }
}

impl Message for FromSensor {
    fn limit(_: u8) -> usize {
        BODY_LIMIT
    }
}
