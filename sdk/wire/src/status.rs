//! The state of the kernel's side and of the gateway's, as `aasm status` shows it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::alerts::AlertRow;
use crate::ids::{AgentId, Generation, Pid, Slot};
use crate::sensor::LossCount;
use crate::text::EscapedBytes;
use crate::time::Timestamp;

/// What the sensor knows about the host and its programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorStatus {
    /// What the host can do, probed by doing.
    pub host: HostFacts,
    /// What is protected and how.
    pub protections: Vec<Protection>,
    /// Each hook's probes.
    pub self_test: Vec<SelfTestRow>,
    /// The programs attached.
    pub programs: Vec<ProgramRow>,
    /// What was lost, by cause.
    pub losses: Vec<LossCount>,
    /// A predecessor's programs and tables were found and kept.
    pub adopted: bool,
    /// How full the tables are.
    pub maps: Vec<MapFill>,
    /// The resolver is there: names that policies list are looked up.
    #[serde(default)]
    pub resolver: bool,
    /// What of TLS is read.
    #[serde(default)]
    pub tls: TlsCoverage,
    /// By whom everything is halted: nobody is governed anew.
    #[serde(default)]
    pub halted: Option<String>,
}

/// How much of what governed processes say inside TLS is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsCoverage {
    /// Files with probes.
    pub probed: Vec<ProbedFile>,
    /// Files that could not be read: what is in them is not known.
    pub blind: Vec<BlindFile>,
    /// TCP sockets of governed processes, those that sent most first, [`SOCKET_LIMIT`] at most.
    pub sockets: Vec<SocketCoverage>,
    /// Mappings of files that the kernel had no room to tell of.
    pub untold: u64,
}

/// Sockets in one [`TlsCoverage`].
pub const SOCKET_LIMIT: usize = 256;

/// A program or library with probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedFile {
    /// Its name when it was opened.
    pub path: EscapedBytes,
    /// Whose TLS it is: `OpenSsl`, `GoTls`, ...
    pub libraries: Vec<String>,
    /// Functions with probes.
    pub functions: u32,
    /// Functions that the kernel would not have probed.
    pub failed: u32,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlindFile {
    /// Its name when it was opened.
    pub path: EscapedBytes,
    /// Why.
    pub why: String,
}

/// How much of what went over a socket was seen before it was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketCoverage {
    /// Whose.
    pub agent: AgentId,
    /// Which process opened it.
    pub pid: Pid,
    /// The far end.
    pub to: SocketAddr,
    /// Bytes that went to the socket.
    pub sent: u64,
    /// Of these, bytes of plaintext that were seen.
    pub said: u64,
    /// Bytes that came from the socket.
    pub received: u64,
    /// Of these, bytes of plaintext that were seen.
    pub heard: u64,
}

/// Facts of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `uname -r`.
    pub kernel_release: String,
    /// `/sys/kernel/security/lsm`.
    pub lsm: Vec<String>,
    /// Everything else: BTF, cgroup2, lockdown, helpers, hooks.
    pub facts: Vec<HostFact>,
}

/// One fact of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFact {
    /// Short: `btf`, `lsm-bpf`.
    pub name: String,
    /// Whether it holds.
    pub state: FactState,
}

/// Whether a fact holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactState {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It could not be found out, and why.
    Unknown(String),
}

/// A protection and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// Short: `file`, `exec`, `connect`.
    pub name: String,
    /// How.
    pub state: ProtectionState,
    /// Its probes passed on this host since this start.
    pub proven: bool,
}

/// How a protection stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProtectionState {
    /// Denials happen before the effect.
    Enforced {
        /// `bpf-lsm`, `fmod_ret`, ...
        via: String,
    },
    /// Seen and recorded, not prevented.
    Observed {
        /// By what.
        via: String,
        /// What the host lacks to enforce it.
        missing: String,
    },
    /// Not there at all.
    Refused {
        /// What the host lacks.
        missing: String,
    },
    /// Not there, which is nothing amiss: a policy that counts on it is refused, or says that it does without.
    Optional {
        /// What the host lacks.
        missing: String,
    },
}

/// One probe of one hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTestRow {
    /// Which hook.
    pub hook: String,
    /// What was tried.
    pub probe: String,
    /// What should have come of it.
    pub expected: String,
    /// What did.
    pub got: String,
    /// Whether these agree.
    pub passed: bool,
}

/// One attached program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRow {
    /// As `bpftool prog` shows it.
    pub name: String,
    /// Where it is attached.
    pub hook: String,
    /// As `bpftool link` shows it.
    pub link_id: u32,
}

/// How full a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapFill {
    /// As `bpftool map` shows it.
    pub name: String,
    /// Entries in use.
    pub used: u64,
    /// Entries there can be.
    pub capacity: u64,
}

/// The whole answer to `aasm status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Nothing is refused, unproven, failing or lost that should not be.
    pub healthy: bool,
    /// One line for each thing that is not as it should be.
    pub complaints: Vec<String>,
    /// The kernel's side; `None` when the sensor did not answer in time.
    pub sensor: Option<SensorStatus>,
    /// The gateway's side.
    pub gateway: GatewayStatus,
    /// The audit log.
    pub audit: AuditStatus,
    /// What goes out of the machine; `None` if no courier told anything of late.
    #[serde(default)]
    pub alerts: Option<Vec<AlertRow>>,
}

/// What the gateway knows about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// Of the daemon.
    pub version: String,
    /// When this gateway started.
    pub started: Timestamp,
    /// Records taken from the kernel's rings.
    pub rings: RingStatus,
    /// Batches that wait to be recorded.
    pub queue_depth: u64,
    /// What the gateway itself lost, by cause.
    pub losses: Vec<LossCount>,
    /// Policies known, in force or not.
    pub policies: Vec<PolicyRow>,
    /// Policy files that could not be loaded; an older generation may still be in force.
    pub bad_policies: Vec<BadPolicy>,
    /// Agents with live processes.
    pub agents: u64,
    /// Clients that follow events.
    pub followers: u64,
}

/// The audit log's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Where it lies.
    pub directory: String,
    /// The last record's number.
    pub sequence: u64,
    /// Why records cannot be written, if they cannot.
    pub failing: Option<String>,
}

/// Counts of what came through the kernel's rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingStatus {
    /// Records of denials, identity and lifecycle.
    pub decisions: u64,
    /// Records of allowed actions.
    pub activity: u64,
    /// Records that were not of a known form.
    pub undecodable: u64,
    /// Records that never arrived, by holes in their numbers.
    pub missing: u64,
}

/// A policy the gateway knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// As in the policy.
    pub name: String,
    /// As in the policy.
    pub version: u64,
    /// As `aa_policy` computes it.
    pub digest: String,
    /// A file's path, or `pack`, or `client`.
    pub source: String,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Rules in it.
    pub rules: u64,
    /// In force here; `None`: known, not loaded.
    pub slot: Option<Slot>,
    /// Of the last load.
    pub generation: Option<Generation>,
}

/// A policy file that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadPolicy {
    /// Its path.
    pub file: String,
    /// Why, as a person reads it.
    pub diagnostics: String,
    /// The digest of the older text that stays in force, if there is one.
    pub kept: Option<String>,
}
