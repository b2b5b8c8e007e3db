//! The control socket: one JSON object a line, requests from the client, answers from the gateway.
//!
//! A connection carries one request at a time. Every request is answered by one [`Answer`] line; `events` is answered by
//! a line for each event and [`Reply::End`] at last. The peer's credentials, taken from the socket, say who asks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::alerts::{CourierReport, SignRequest, TestOrder};
use crate::event::{Effect, Event, Kind};
use crate::ids::{AgentId, CgroupId, Generation, Pid, SessionId, Slot};
use crate::problem::WireError;
use crate::secret::Secret;
use crate::sensor::Switch;
use crate::status::{PolicyRow, Status};
use crate::text::EscapedBytes;
use crate::time::Timestamp;
use crate::vault::{KeyRotated, KeyRow, VaultReply, VaultRequest};

/// The version of this interface.
pub const VERSION: u16 = 1;
/// Where the gateway listens.
pub const CONTROL_SOCKET: &str = "/run/aa-sensord/control.sock";
/// Bytes of one policy's text.
pub const POLICY_TEXT_LIMIT: usize = 1 << 20;
/// Bytes of one line from a client: a policy's text may double when escaped.
pub const LINE_LIMIT: usize = 2 * POLICY_TEXT_LIMIT + 65_536;
/// Events in one answer without `follow`, unless fewer are asked for.
pub const EVENTS_LIMIT: u32 = 10_000;

/// A line from the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// [`VERSION`].
    pub v: u16,
    /// What is asked.
    pub request: Request,
}

/// A line to the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`VERSION`].
    pub v: u16,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Ok(Reply),
    /// It was not.
    Error(WireError),
}

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the daemon is: [`Reply::Status`].
    Status,
    /// Who is governed: [`Reply::Agents`].
    Agents,
    /// What happened: [`Reply::Event`] for each, then [`Reply::End`].
    Events(EventsQuery),
    /// One event: [`Reply::Event`].
    Why {
        /// Its id.
        id: u64,
    },
    /// What was denied in a session so far: [`Reply::Denials`].
    Denials {
        /// Which session.
        session: SessionId,
        /// Answer once all that processes said inside TLS until they ended was told too.
        #[serde(default)]
        heard: bool,
    },
    /// Govern the process that asks: [`Reply::Governed`].
    Govern(GovernRequest),
    /// Put a policy in force for all it governs, now and after the next start: [`Reply::Applied`].
    Apply {
        /// The policy.
        text: String,
        /// Where it comes from, for messages.
        file_name: String,
    },
    /// The policies known: [`Reply::Policies`].
    PolicyList,
    /// Throw the kill switch: [`Reply::Killed`].
    Kill(KillTarget),
    /// Have agents stand still: [`Reply::Suspended`].
    Suspend(KillTarget),
    /// Have them go on, or let one that was killed be started again: [`Reply::Resumed`].
    Resume(KillTarget),
    /// Check the audit log: [`Reply::Verified`].
    Verify,
    /// End the audit log's epoch and tell the key of the next: [`Reply::AuditKey`]. Root's alone.
    AuditKey,
    /// How much of the limits of policies in force is used: [`Reply::Budgets`].
    Budgets,
    /// What the vault is to do: [`Reply::Vault`].
    Vault(VaultRequest),
    /// The daemon's keys: [`Reply::Keys`].
    Keys,
    /// Replace one of them: [`Reply::KeyRotated`].
    RotateKey {
        /// As [`KeyRow`] has it.
        purpose: String,
    },
    /// What has the audit log keep everything: [`Reply::Holds`].
    Holds,
    /// Have it keep everything: [`Reply::Holds`].
    Hold {
        /// What this is called.
        name: String,
        /// Why.
        why: String,
    },
    /// End that: [`Reply::Holds`].
    ReleaseHold {
        /// What it is called.
        name: String,
    },
    /// How what goes out of the machine stands: [`Reply::Alerts`].
    Alerts,
    /// Have the courier try a rule: [`Reply::AlertTested`].
    AlertTest {
        /// Which.
        name: String,
    },
    /// The courier tells how its rules stand: [`Reply::CourierOrders`]. Its alone, as is the next.
    Courier(CourierReport),
    /// It wants a message signed: [`Reply::Signed`].
    Sign(SignRequest),
    /// What waits for an answer: [`Reply::Approvals`].
    Approvals,
    /// Answer what waits: [`Reply::Answered`].
    Answer {
        /// Which: an id of [`ApprovalRow`].
        id: u64,
        /// Yes or no.
        allow: bool,
    },
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsQuery {
    /// Go on with what happens from now on.
    pub follow: bool,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// With a greater id than this.
    pub after: Option<u64>,
    /// Only the last so many of what has happened.
    pub limit: Option<u32>,
    /// Only what this lets through.
    pub filter: EventFilter,
}

/// What an event must be to be shown. Every given condition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventFilter {
    /// Of an agent of this name or number.
    pub agent: Option<String>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Denied, killed, or would have been denied.
    pub denied: bool,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Asks, and what became of them.
    pub approvals: bool,
}

impl EventFilter {
    /// Whether the event is one of these.
    pub fn matches(&self, event: &Event) -> bool {
        let agent = event.agent.as_ref();
        let of_agent = self.agent.as_ref().is_none_or(|wanted| {
            agent.is_some_and(|agent| agent.name.as_ref() == Some(wanted) || agent.id.to_string() == *wanted)
        });
        let of_session = self
            .session
            .is_none_or(|wanted| agent.is_some_and(|agent| agent.session == wanted));
        let denied = !self.denied || is_denial(event);
        // The names of a stack belong to another event; who wants them apart says so.
        let of_kind = self
            .kind
            .map_or(event.kind != Kind::Stack, |wanted| wanted == event.kind);
        let of_approvals = !self.approvals || event.kind == Kind::Approval || event.effect == Effect::Held;
        of_agent && of_session && denied && of_kind && of_approvals
    }
}

/// Whether the event is an action that was not allowed.
pub fn is_denial(event: &Event) -> bool {
    event.kind == Kind::Decision && !matches!(event.effect, Effect::Allowed | Effect::Held)
}

/// By what and as whom a process wants to be governed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernRequest {
    /// By what.
    pub policy: PolicySource,
    /// What `$home`, `$work` and `$run` are.
    pub environment: EnvironmentPaths,
    /// As whom; the policy's name if absent.
    pub agent_name: Option<String>,
    /// Where the host judges no files, the process confines itself to those it is told, by Landlock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confines_itself: bool,
}

/// The files that a process confines itself to; of what is `None` it may use any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FilePlaces {
    /// What it may read.
    pub read: Option<Vec<FilePlace>>,
    /// What it may change, make and remove.
    pub write: Option<Vec<FilePlace>>,
}

/// A file or a directory that may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FilePlace {
    /// Where: absolute, and not by way of links.
    pub path: String,
    /// How much of it.
    pub extent: FileExtent,
}

/// How much of a place may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileExtent {
    /// That file.
    File,
    /// The files in it, which has no directories.
    Entries,
    /// It and all below it.
    Tree,
}

/// Where a policy comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PolicySource {
    /// A policy the daemon has, or a pack that ships.
    Name(String),
    /// A policy the client brings.
    Text {
        /// The policy.
        text: String,
        /// Where it comes from, for messages.
        file_name: String,
    },
}

/// What a policy's `$` names stand for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentPaths {
    /// `$home`.
    pub home: PathBuf,
    /// `$work`.
    pub work: PathBuf,
    /// `$run`.
    pub run: PathBuf,
}

/// Whose switch to throw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KillTarget {
    /// Every agent of this name or number.
    Agent(String),
    /// The agent of this session.
    Session(SessionId),
    /// Every agent.
    All,
}

/// What came of throwing a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// The agents.
    pub agents: Vec<AgentId>,
    /// Their processes.
    pub processes: u64,
    /// From request to the last one's end or standstill, microseconds.
    pub took_us: u64,
}

/// A limit of a policy, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRow {
    /// The policy; all that it governs use it up together.
    pub policy: String,
    /// As rules cite it: `$20.00 a day`.
    pub limit: String,
    /// `micro-dollars`, `tokens` or `calls`; the unit of the next three.
    pub unit: String,
    /// How much there is.
    pub most: u64,
    /// Used; absent for what each session has for itself, as is the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<u64>,
    /// What calls under way may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u64>,
    /// When all of it is there again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<Timestamp>,
    /// What happens to a call that finds no room: `deny`, `suspend` or `kill`.
    pub then: String,
}

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To `status`.
    Status(Box<Status>),
    /// To `agents`.
    Agents(Vec<AgentRow>),
    /// To `budgets`.
    Budgets(Vec<BudgetRow>),
    /// To `events`, many; to `why`, one.
    Event(Box<Event>),
    /// To `events` with `follow`: the client was too slow for so many events.
    Skipped {
        /// How many.
        events: u64,
    },
    /// After the last event.
    End,
    /// To `denials`.
    Denials {
        /// How many.
        count: u64,
        /// The first of them.
        first: Option<Box<Event>>,
    },
    /// To `govern`.
    Governed {
        /// The agent the process now is.
        agent: AgentId,
        /// The session it opened.
        session: SessionId,
        /// The cgroup it is in.
        cgroup: CgroupId,
        /// The policy that governs it.
        policy: String,
        /// What its author should know.
        warnings: Vec<String>,
        /// Only the network and programs are judged on this host: what else can be closed, the process closes for itself.
        without_lsm: bool,
        /// What of the policy is not carried out, a line each.
        gaps: Vec<String>,
        /// The files it has to confine itself to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        places: Option<FilePlaces>,
    },
    /// To `apply`.
    Applied {
        /// The policy's name.
        policy: String,
        /// What its author should know.
        warnings: Vec<String>,
        /// Where it went in force; empty: nobody is governed by it yet.
        loaded: Vec<LoadedRow>,
    },
    /// To `policy-list`.
    Policies(Vec<PolicyRow>),
    /// To `kill`.
    Killed(Switched),
    /// To `suspend`.
    Suspended(Switched),
    /// To `resume`.
    Resumed(Switched),
    /// To `verify`.
    Verified {
        /// No finding.
        intact: bool,
        /// Records checked.
        records: u64,
        /// Bytes checked.
        bytes: u64,
        /// The last record's number.
        last: u64,
        /// The last record that retention removed, for which a signed tombstone stands; 0 if there is none.
        #[serde(default)]
        removed: u64,
        /// Signed checkpoints the records were held against.
        checkpoints: u64,
        /// The last record that one of these is about.
        signed: u64,
        /// What is wrong, and where.
        findings: Vec<String>,
    },
    /// To `audit-key`.
    AuditKey(AuditKey),
    /// To `vault`.
    Vault(VaultReply),
    /// To `keys`.
    Keys(Vec<KeyRow>),
    /// To `rotate-key`.
    KeyRotated(KeyRotated),
    /// To `holds`, `hold` and `release-hold`: those there are now.
    Holds(Vec<HoldRow>),
    /// To `alerts`; nothing if no courier told anything of late.
    Alerts(Option<Box<CourierReport>>),
    /// To `alert-test`.
    AlertTested {
        /// Why it failed; absent if it was received.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    /// To `courier`: what it is to try.
    CourierOrders(Vec<TestOrder>),
    /// To `sign`.
    Signed {
        /// As the header has it: `v1,` and base64.
        signature: String,
    },
    /// To `approvals`, the oldest first.
    Approvals(Vec<ApprovalRow>),
    /// To `answer`: what was answered.
    Answered(Box<ApprovalRow>),
}

/// What has the audit log keep everything, however old it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRow {
    /// What it is called.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// The user who set it.
    pub by: u32,
    /// Why.
    pub why: String,
}

/// What the audit log's records are sealed with from one of them on: who has it can check those, and could make them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditKey {
    /// `hmac-sha256`.
    pub algorithm: String,
    /// Of which epoch; the keys of later ones come from it, those of earlier ones do not.
    pub epoch: u32,
    /// The first record of that epoch.
    pub from: u64,
    /// 64 hexadecimal digits.
    pub key: Secret,
}

/// An action that waits until somebody answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// The number of the event that tells of it.
    pub id: u64,
    /// Who asks: the agent's name, or its number where it has none.
    pub agent: String,
    /// In which session.
    pub session: SessionId,
    /// The process that is stopped.
    pub pid: Pid,
    /// Its user.
    pub uid: u32,
    /// The program it runs.
    pub executable: EscapedBytes,
    /// What it wants to do.
    pub action: String,
    /// On what, in words.
    pub object: String,
    /// The rule that asks.
    pub rule: Option<String>,
    /// How grave the rule says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// The policy it stands in.
    pub policy: Option<String>,
    /// Since when it waits.
    pub asked_at: Timestamp,
    /// Until when.
    pub deadline: Timestamp,
    /// What happens then: `allow` or `deny`.
    pub otherwise: String,
    /// Who may answer; empty: whoever may control the daemon.
    pub approvers: Vec<String>,
    /// Two people have to say yes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_person: bool,
    /// The user who has said yes, while a second person still has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<u32>,
}

/// A policy that went in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedRow {
    /// Where.
    pub slot: Slot,
    /// Which load of it.
    pub generation: Generation,
    /// How long that took, microseconds.
    pub took_us: u64,
}

/// An agent with live processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// In the kernel's table.
    pub id: AgentId,
    /// For people.
    pub name: Option<String>,
    /// The policy that governs it, if known.
    pub policy: Option<String>,
    /// What its switches say.
    pub state: Switch,
    /// Its sessions.
    pub sessions: Vec<SessionId>,
    /// Its processes.
    pub processes: Vec<ProcessRow>,
}

/// A live process of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRow {
    /// Thread group id in the initial pid namespace.
    pub pid: Pid,
    /// The parent's.
    pub parent_pid: Pid,
    /// Threads of it.
    pub threads: u32,
    /// User id.
    pub uid: u32,
    /// When it started.
    pub start: Timestamp,
    /// Its `comm`.
    pub command: EscapedBytes,
}

impl Ask {
    /// A request in this version.
    pub fn new(request: Request) -> Self {
        Self { v: VERSION, request }
    }
}

impl Answer {
    /// An answer in this version.
    pub fn new(result: Result<Reply, WireError>) -> Self {
        let outcome = match result {
            Ok(reply) => Outcome::Ok(reply),
            Err(problem) => Outcome::Error(problem),
        };
        Self { v: VERSION, outcome }
    }
}

#[cfg(test)]
mod tests;
