//! Asks that wait for an answer. Pure: what is done with them is in [`crate::answering`].
//!
//! A ticket lives from the record of the hold until the kernel records what became of it. A thread waits for one thing,
//! so it has one ticket: asking for the same again (somebody sent SIGCONT) changes nothing, above all not the deadline;
//! asking for something else withdraws the first.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_bpf::record::Record;
use aa_policy::{Approver, Asking, Risk, Verdict};
use aa_wire::api::ApprovalRow;
use aa_wire::event::{AgentRef, Effect, Kind, ProcessRef};
use aa_wire::{AgentId, EscapedBytes, Event, Pid, Timestamp, WireError};

use crate::plaintext::judge::Denial;

/// Tickets of one agent; what it asks beyond that is refused.
const PER_AGENT: usize = 64;
/// Tickets of all.
const ALL: usize = 1024;
/// How long an answer lies in the kernel for the thread to take.
pub(crate) const GRANT_TIME: Duration = Duration::from_secs(30);
/// When a process is told again that it may go on, and the most that doubles to.
const TELL_AGAIN: Duration = Duration::from_millis(100);
const TELL_AGAIN_MOST: Duration = Duration::from_secs(2);

/// What a person is told of data that call a tool.
const CALL_TOOL: &str = "call-tool";

/// The thread that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asker {
    pub(crate) agent: AgentId,
    pub(crate) pid: Pid,
    pub(crate) tid: u32,
    pub(crate) start_ns: u64,
}

/// What a record of the kernel says of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) cpu: u32,
    pub(crate) sequence: u64,
    pub(crate) asker: Asker,
    pub(crate) digest: [u64; 2],
    pub(crate) generation: u32,
    /// It waits; else something came of it.
    pub(crate) held: bool,
    /// What is in the program of this name is not known: it waits for that, and not for a person.
    pub(crate) reads: Option<Vec<u8>>,
    /// What it wants to do, where the record has a wider name for it.
    pub(crate) action: Option<&'static str>,
    /// On what, in words. Arguments stand here and not in the event: they can hold secrets, and the log keeps them.
    pub(crate) object: String,
}

impl Note {
    /// `None` for what is not about an ask.
    /// `names` led to its address; `denial` is what is known of the data that it is about.
    pub(crate) fn of(record: &Record, names: &[EscapedBytes], denial: Option<&Denial>) -> Option<Self> {
        let object = crate::actions::in_words(record, names);
        crate::actions::exact(record).then(|| Self {
            cpu: record.cpu,
            sequence: record.sequence,
            asker: Asker {
                agent: AgentId(record.agent),
                pid: Pid(record.pid),
                tid: record.tid,
                start_ns: record.start_ns,
            },
            digest: record.digest,
            generation: record.generation,
            held: u32::from(record.effect) == abi::AA_EFFECT_HELD,
            reads: (u32::from(record.reason) == abi::AA_REASON_UNREADABLE_CONTENT).then(|| record.object.clone()),
            action: denial.and_then(|denial| denial.words.as_ref()).map(|_| CALL_TOOL),
            object: match denial.and_then(|denial| denial.words.as_ref()) {
                Some(words) => format!("{words} -> {object}"),
                None => object,
            },
        })
    }
}

/// How far a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// An answer was given and is being recorded.
    Recording,
    /// The answer lies in the kernel. The process was told at `told`; the next time comes `again` later.
    Answered {
        since: Instant,
        told: Instant,
        again: Duration,
    },
}

/// One ask.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) row: ApprovalRow,
    pub(crate) asker: Asker,
    pub(crate) digest: [u64; 2],
    pub(crate) agent: Option<AgentRef>,
    pub(crate) process: Option<ProcessRef>,
    approvers: Vec<Approver>,
    pub(crate) otherwise_allow: bool,
    deadline: Instant,
    stage: Stage,
}

impl Ticket {
    pub(crate) fn new(event: &Event, note: &Note, asking: &Asking, risk: Option<Risk>, now: Instant) -> Self {
        let within = u64::try_from(asking.within.as_nanos()).unwrap_or(u64::MAX);
        let named = event.agent.as_ref().and_then(|agent| agent.name.clone());
        let rule = event.rule.as_ref();
        let row = ApprovalRow {
            id: event.id,
            agent: named.unwrap_or_else(|| note.asker.agent.to_string()),
            session: event.agent.as_ref().map(|agent| agent.session).unwrap_or_default(),
            pid: note.asker.pid,
            uid: event.process.as_ref().map_or(0, |process| process.uid),
            executable: event
                .process
                .as_ref()
                .map(|process| process.executable.clone())
                .unwrap_or_default(),
            action: note.action.map_or_else(|| event.action.clone(), str::to_owned),
            object: note.object.clone(),
            rule: rule.and_then(|rule| rule.text.clone()),
            risk: risk.map(|risk| risk.to_string()),
            policy: event.policy.as_ref().and_then(|policy| policy.name.clone()),
            asked_at: event.time,
            deadline: Timestamp {
                unix_ns: event.time.unix_ns.saturating_add(within),
            },
            otherwise: asking.otherwise.to_string(),
            approvers: asking.approvers.iter().map(ToString::to_string).collect(),
            second_person: asking
                .second_person
                .is_some_and(|least| risk.is_some_and(|risk| risk >= least)),
            approved_by: None,
        };
        Self {
            row,
            asker: note.asker,
            digest: note.digest,
            agent: event.agent.clone(),
            process: event.process.clone(),
            approvers: asking.approvers.clone(),
            otherwise_allow: asking.otherwise == Verdict::Allow,
            deadline: now + asking.within,
            stage: Stage::Waiting,
        }
    }

    /// An event that tells what became of it.
    pub(crate) fn event(&self, effect: Effect, detail: String) -> Event {
        Event {
            agent: self.agent.clone(),
            process: self.process.clone(),
            about: Some(self.row.id),
            digest: Some(crate::describe::digest_text(self.digest)),
            detail: Some(detail),
            ..Event::bare(Timestamp::now(), Kind::Approval, effect, self.row.action.clone())
        }
    }
}

/// What came of an ask for a ticket.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It waits, and the thread's former ask is withdrawn.
    Waits { withdrawn: Option<Box<Ticket>> },
    /// It waits already.
    Again,
    /// Too many wait.
    Full,
}

/// All tickets.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    tickets: BTreeMap<u64, Ticket>,
    by_asker: HashMap<Asker, u64>,
}

impl Approvals {
    pub(crate) fn ask(&mut self, ticket: Ticket) -> Asked {
        let known = self.by_asker.get(&ticket.asker).copied();
        if let Some(known) = known.and_then(|id| self.tickets.get(&id))
            && known.digest == ticket.digest
        {
            return Asked::Again;
        }
        let withdrawn = known.and_then(|id| self.remove(id)).map(Box::new);
        let same = |other: &&Ticket| other.asker.agent == ticket.asker.agent;
        if self.tickets.len() >= ALL || self.tickets.values().filter(same).count() >= PER_AGENT {
            return Asked::Full;
        }
        self.by_asker.insert(ticket.asker, ticket.row.id);
        self.tickets.insert(ticket.row.id, ticket);
        Asked::Waits { withdrawn }
    }

    /// The kernel says what became of it.
    pub(crate) fn settle(&mut self, asker: &Asker, digest: [u64; 2]) {
        if let Some(id) = self.by_asker.get(asker).copied()
            && self.tickets.get(&id).is_some_and(|ticket| ticket.digest == digest)
        {
            self.remove(id);
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Ticket> {
        let ticket = self.tickets.remove(&id)?;
        self.by_asker.remove(&ticket.asker);
        Some(ticket)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// What can be answered, the oldest first.
    pub(crate) fn rows(&self) -> Vec<ApprovalRow> {
        let waiting = self.tickets.values().filter(|ticket| ticket.stage == Stage::Waiting);
        waiting.map(|ticket| ticket.row.clone()).collect()
    }

    /// Begins to answer: from here on nobody else can. `may` says whether one of these may be the one who does; `yes_by` is who says yes.
    pub(crate) fn begin(
        &mut self,
        id: u64,
        yes_by: Option<u32>,
        may: impl FnOnce(&[Approver]) -> bool,
    ) -> Result<Ticket, WireError> {
        let ticket = self.tickets.get_mut(&id).ok_or_else(|| {
            WireError::new("no-such-approval", format!("nothing waits under the number {id}"))
                .hint("aasm approvals list")
        })?;
        if ticket.stage != Stage::Waiting {
            return Err(WireError::new("answered", format!("{id} has been answered already")));
        }
        if !ticket.approvers.is_empty() && !may(&ticket.approvers) {
            return Err(
                WireError::new("not-permitted", "the policy names others for the answer")
                    .because(ticket.row.approvers.join(", ")),
            );
        }
        if ticket.row.second_person && yes_by.is_some() && ticket.row.approved_by == yes_by {
            let user = yes_by.unwrap_or_default();
            return Err(
                WireError::new("second-person", format!("user {user} has said yes already"))
                    .because("the policy wants two people for an action of this risk")
                    .hint("another user approves it; root by sudo is one user, whoever it is"),
            );
        }
        ticket.stage = Stage::Recording;
        Ok(ticket.clone())
    }

    /// One of two has said yes, and that is recorded: it waits on.
    pub(crate) fn half(&mut self, id: u64, by: u32) -> Option<ApprovalRow> {
        let ticket = self.tickets.get_mut(&id)?;
        ticket.stage = Stage::Waiting;
        ticket.row.approved_by = Some(by);
        Some(ticket.row.clone())
    }

    /// The answer could not be recorded: it was none.
    pub(crate) fn revert(&mut self, id: u64) {
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Waiting;
        }
    }

    /// The answer is on its way into the kernel. It goes on from the next tick.
    pub(crate) fn answered(&mut self, id: u64, now: Instant) {
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Answered {
                since: now,
                told: now,
                again: TELL_AGAIN,
            };
        }
    }

    /// Those nobody answered in time.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<u64> {
        let overdue = |ticket: &&Ticket| ticket.stage == Stage::Waiting && ticket.deadline <= now;
        self.tickets
            .values()
            .filter(overdue)
            .map(|ticket| ticket.row.id)
            .collect()
    }

    /// Processes to be told again that they may go on: the answer may have come before the stop. What lay in the kernel
    /// too long is no answer any more and goes: the process, told once more, asks anew.
    pub(crate) fn tell_again(&mut self, now: Instant) -> (Vec<Asker>, Vec<Ticket>) {
        let (mut askers, mut late) = (Vec::new(), Vec::new());
        for (id, ticket) in &mut self.tickets {
            let Stage::Answered { since, told, again } = &mut ticket.stage else {
                continue;
            };
            if now.duration_since(*since) >= GRANT_TIME {
                late.push(*id);
                askers.push(ticket.asker);
            } else if now.duration_since(*told) >= *again {
                (*told, *again) = (now, (*again * 2).min(TELL_AGAIN_MOST));
                askers.push(ticket.asker);
            }
        }
        let late = late.into_iter().filter_map(|id| self.remove(id)).collect();
        (askers, late)
    }

    /// Whether an answer is on its way.
    pub(crate) fn has_answered(&self) -> bool {
        let answered = |ticket: &Ticket| matches!(ticket.stage, Stage::Answered { .. });
        self.tickets.values().any(answered)
    }

    /// Takes those away whose process is not among the living.
    pub(crate) fn bury(&mut self, lives: impl Fn(&Asker) -> bool) -> Vec<Ticket> {
        let dead: Vec<u64> = self
            .tickets
            .iter()
            .filter(|(_, ticket)| !lives(&ticket.asker))
            .map(|(id, _)| *id)
            .collect();
        dead.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}

#[cfg(test)]
mod tests;
