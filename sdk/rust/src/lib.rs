//! Blocking client of the control socket of aa-sensord. Needs nothing but the standard library.
//!
//! ```no_run
//! use aa_sdk::Client;
//!
//! let status = Client::connect_default()?.status()?;
//! println!("{}", if status.healthy { "healthy" } else { "look at `aasm status`" });
//! # Ok::<(), aa_sdk::SdkError>(())
//! ```

mod error;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aa_wire::alerts::CourierReport;
use aa_wire::api::{
    AgentRow, Answer, ApprovalRow, Ask, BudgetRow, CONTROL_SOCKET, EventsQuery, FilePlaces, GovernRequest, KillTarget,
    Outcome, Reply, Request, VERSION,
};
use aa_wire::status::{PolicyRow, Status};
use aa_wire::vault::{KeyRotated, KeyRow, VaultReply, VaultRequest};
use aa_wire::{Event, SessionId};
use zeroize::Zeroizing;

pub use aa_wire as wire;
pub use error::SdkError;

/// Bytes of one line from the daemon: a status or a list of processes can be long, but not endless.
const ANSWER_LIMIT: u64 = 64 << 20;
/// How long an answer may take, except to `verify` and while events are followed.
const PATIENCE: Duration = Duration::from_secs(90);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    input: BufReader<UnixStream>,
}

/// What came of [`Client::govern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Governed {
    /// The session it opened.
    pub session: SessionId,
    /// What the policy's author should know.
    pub warnings: Vec<String>,
    /// Only the network and programs are judged on this host.
    pub without_lsm: bool,
    /// What of the policy is not carried out, a line each.
    pub gaps: Vec<String>,
    /// The files the process has to confine itself to.
    pub places: Option<FilePlaces>,
}

impl Client {
    /// Connects to the daemon of this machine.
    ///
    /// # Errors
    /// [`SdkError::Connect`] when there is no daemon or it may not be reached.
    pub fn connect_default() -> Result<Self, SdkError> {
        Self::connect(Path::new(CONTROL_SOCKET))
    }

    /// Connects to a daemon whose control socket lies elsewhere.
    ///
    /// # Errors
    /// As [`Client::connect_default`].
    pub fn connect(socket: &Path) -> Result<Self, SdkError> {
        let failed = |source| SdkError::Connect {
            socket: socket.to_owned(),
            source,
        };
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Self {
            socket: socket.to_owned(),
            input: BufReader::new(stream),
        })
    }

    /// Asks and waits for the one answer.
    ///
    /// # Errors
    /// [`SdkError::Refused`] when the daemon says no; else the connection failed.
    pub fn request(&mut self, request: Request) -> Result<Reply, SdkError> {
        let waits_long = matches!(request, Request::Verify);
        self.send(request)?;
        self.set_patience(if waits_long { None } else { Some(PATIENCE) })?;
        self.receive()
    }

    /// How the daemon is.
    pub fn status(&mut self) -> Result<Status, SdkError> {
        match self.request(Request::Status)? {
            Reply::Status(status) => Ok(*status),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Who is governed.
    pub fn agents(&mut self) -> Result<Vec<AgentRow>, SdkError> {
        match self.request(Request::Agents)? {
            Reply::Agents(agents) => Ok(agents),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// The policies the daemon knows.
    pub fn policies(&mut self) -> Result<Vec<PolicyRow>, SdkError> {
        match self.request(Request::PolicyList)? {
            Reply::Policies(policies) => Ok(policies),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// One event.
    pub fn why(&mut self, id: u64) -> Result<Event, SdkError> {
        match self.request(Request::Why { id })? {
            Reply::Event(event) => Ok(*event),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// How much was denied in a session so far, and the first of it. With `heard` it answers once all that processes said
    /// inside TLS until they ended was told to who follows events.
    pub fn denials(&mut self, session: SessionId, heard: bool) -> Result<(u64, Option<Event>), SdkError> {
        match self.request(Request::Denials { session, heard })? {
            Reply::Denials { count, first } => Ok((count, first.map(|event| *event))),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Has this very process governed, with all it starts from now on.
    pub fn govern(&mut self, request: GovernRequest) -> Result<Governed, SdkError> {
        match self.request(Request::Govern(request))? {
            Reply::Governed {
                session,
                warnings,
                without_lsm,
                gaps,
                places,
                ..
            } => Ok(Governed {
                session,
                warnings,
                without_lsm,
                gaps,
                places,
            }),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Throws the kill switch; how many processes ended.
    pub fn kill(&mut self, target: KillTarget) -> Result<u64, SdkError> {
        match self.request(Request::Kill(target))? {
            Reply::Killed(switched) => Ok(switched.processes),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Has agents stand still; how many processes.
    pub fn suspend(&mut self, target: KillTarget) -> Result<u64, SdkError> {
        match self.request(Request::Suspend(target))? {
            Reply::Suspended(switched) => Ok(switched.processes),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Has them go on; how many processes.
    pub fn resume(&mut self, target: KillTarget) -> Result<u64, SdkError> {
        match self.request(Request::Resume(target))? {
            Reply::Resumed(switched) => Ok(switched.processes),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// How much of the limits of policies in force is used.
    pub fn budgets(&mut self) -> Result<Vec<BudgetRow>, SdkError> {
        match self.request(Request::Budgets)? {
            Reply::Budgets(budgets) => Ok(budgets),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// What waits for an answer, the oldest first.
    pub fn approvals(&mut self) -> Result<Vec<ApprovalRow>, SdkError> {
        match self.request(Request::Approvals)? {
            Reply::Approvals(approvals) => Ok(approvals),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Answers what waits; what was answered.
    pub fn answer(&mut self, id: u64, allow: bool) -> Result<ApprovalRow, SdkError> {
        match self.request(Request::Answer { id, allow })? {
            Reply::Answered(answered) => Ok(*answered),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Has the vault do something. No answer holds a value.
    pub fn vault(&mut self, request: VaultRequest) -> Result<VaultReply, SdkError> {
        match self.request(Request::Vault(request))? {
            Reply::Vault(reply) => Ok(reply),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// How what goes out of the machine stands; `None` if no courier told anything of late.
    pub fn alerts(&mut self) -> Result<Option<CourierReport>, SdkError> {
        match self.request(Request::Alerts)? {
            Reply::Alerts(report) => Ok(report.map(|report| *report)),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Has an alert tried; why it failed, if it did.
    pub fn alert_test(&mut self, name: String) -> Result<Option<String>, SdkError> {
        match self.request(Request::AlertTest { name })? {
            Reply::AlertTested { failed } => Ok(failed),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// The daemon's keys.
    pub fn keys(&mut self) -> Result<Vec<KeyRow>, SdkError> {
        match self.request(Request::Keys)? {
            Reply::Keys(keys) => Ok(keys),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Replaces one of them.
    pub fn rotate_key(&mut self, purpose: String) -> Result<KeyRotated, SdkError> {
        match self.request(Request::RotateKey { purpose })? {
            Reply::KeyRotated(rotated) => Ok(rotated),
            _ => Err(SdkError::Unexpected),
        }
    }

    /// Events one by one; with `follow` for ever.
    ///
    /// # Errors
    /// As [`Client::request`]; later failures come out of the iterator, which then ends.
    pub fn events(mut self, query: EventsQuery) -> Result<Events, SdkError> {
        let patience = if query.follow { None } else { Some(PATIENCE) };
        self.send(Request::Events(query))?;
        self.set_patience(patience)?;
        Ok(Events {
            client: self,
            ended: false,
        })
    }

    fn set_patience(&self, patience: Option<Duration>) -> Result<(), SdkError> {
        self.input
            .get_ref()
            .set_read_timeout(patience)
            .map_err(|source| self.broken(source))
    }

    fn send(&mut self, request: Request) -> Result<(), SdkError> {
        // A secret may be in it.
        let line = serde_json::to_vec(&Ask::new(request)).map_err(|_| SdkError::Unexpected)?;
        let mut line = Zeroizing::new(line);
        line.push(b'\n');
        let mut output = self.input.get_ref();
        output.write_all(&line).map_err(|source| self.broken(source))
    }

    fn receive(&mut self) -> Result<Reply, SdkError> {
        let mut line = Vec::new();
        let read = (&mut self.input).take(ANSWER_LIMIT).read_until(b'\n', &mut line);
        let count = read.map_err(|source| self.broken(source))?;
        if count == 0 {
            return Err(SdkError::Closed {
                socket: self.socket.clone(),
            });
        }
        let answer: Answer = serde_json::from_slice(&line).map_err(|_| SdkError::Unexpected)?;
        if answer.v != VERSION {
            return Err(SdkError::Version { theirs: answer.v });
        }
        match answer.outcome {
            Outcome::Ok(reply) => Ok(reply),
            Outcome::Error(problem) => Err(SdkError::Refused(problem)),
        }
    }

    fn broken(&self, source: std::io::Error) -> SdkError {
        SdkError::Broken {
            socket: self.socket.clone(),
            source,
        }
    }
}

/// One thing out of a stream of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// An event.
    Event(Box<Event>),
    /// We were too slow for so many events; they are in the log.
    Skipped(u64),
}

/// See [`Client::events`].
#[derive(Debug)]
pub struct Events {
    client: Client,
    ended: bool,
}

impl Iterator for Events {
    type Item = Result<Streamed, SdkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.client.receive() {
            Ok(Reply::Event(event)) => Some(Ok(Streamed::Event(event))),
            Ok(Reply::Skipped { events }) => Some(Ok(Streamed::Skipped(events))),
            Ok(Reply::End) => {
                self.ended = true;
                None
            }
            Ok(_) => {
                self.ended = true;
                Some(Err(SdkError::Unexpected))
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests;
