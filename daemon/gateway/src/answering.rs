//! What is done about asks: the records of the kernel taken up, answers recorded and then given, time watched.
//!
//! An answer is in the log before it is in the kernel. What cannot be recorded, or comes of a policy nobody here knows,
//! is refused: the process goes on with EPERM.

use std::rc::Rc;
use std::time::{Duration, Instant};

use aa_bpf::abi;
use aa_policy::{Approver, Policy, RuleId};
use aa_wire::api::{ApprovalRow, Reply};
use aa_wire::event::Effect;
use aa_wire::sensor::{Grant, PROCESS_LIST_LIMIT, Reply as SensorReply, Request as SensorRequest};
use aa_wire::{Event, Generation, WireError};

use crate::approvals::{Asked, Asker, GRANT_TIME, Note, Ticket};
use crate::control::Peer;
use crate::gateway::Gateway;

/// For how long the kernel is told that answers are taken, and how often.
const ATTENDED: Duration = Duration::from_secs(10);
const ATTEND_INTERVAL: Duration = Duration::from_secs(3);
/// How often deadlines are looked at, and how often while an answer is on its way.
const TICK: Duration = Duration::from_millis(500);
const FAST_TICK: Duration = Duration::from_millis(50);
/// How often it is asked who is still alive.
const LIVING_INTERVAL: Duration = Duration::from_secs(2);

/// Why, where nobody was asked.
const UNANSWERED: u32 = abi::AA_REASON_NOBODY_ANSWERS;

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Tells the kernel that answers are taken, as long as this gateway lives. What was stopped for a predecessor asks again.
pub(crate) async fn attend(gateway: Rc<Gateway>) {
    let attended = SensorRequest::Attend {
        for_ms: milliseconds(ATTENDED),
    };
    let mut first = true;
    loop {
        match gateway.sensor.request(attended.clone()).await {
            Err(problem) => tracing::error!(%problem, "the kernel does not know that answers are taken"),
            Ok(_) if first => {
                if let Err(problem) = gateway.sensor.request(SensorRequest::ContinueHeld).await {
                    tracing::error!(%problem, "what a predecessor held does not ask again");
                }
                first = false;
            }
            Ok(_) => {}
        }
        tokio::time::sleep(ATTEND_INTERVAL).await;
    }
}

/// Watches deadlines, answers that were not taken, and asks of the dead.
pub(crate) async fn watch(gateway: Rc<Gateway>) {
    let mut looked = Instant::now();
    loop {
        if gateway.approvals.borrow().is_empty() {
            gateway.asked.notified().await;
        }
        let now = Instant::now();
        let overdue = gateway.approvals.borrow().overdue(now);
        for id in overdue {
            gateway.expire(id).await;
        }
        let (askers, late) = gateway.approvals.borrow_mut().tell_again(now);
        for ticket in late {
            gateway.record(ticket.event(Effect::Denied, "the answer was not taken in time".to_owned()));
        }
        for asker in askers {
            gateway.let_go_on(asker).await;
        }
        if looked.elapsed() >= LIVING_INTERVAL {
            looked = Instant::now();
            gateway.bury_asks().await;
        }
        let tick = if gateway.approvals.borrow().has_answered() {
            FAST_TICK
        } else {
            TICK
        };
        tokio::time::sleep(tick).await;
    }
}

impl Gateway {
    /// Takes up what recorded events say of asks.
    pub(crate) fn take_notes(self: &Rc<Self>, events: &[Event], notes: Vec<Note>) {
        for note in notes {
            if !note.held {
                self.approvals.borrow_mut().settle(&note.asker, note.digest);
                continue;
            }
            if let Some(name) = &note.reads {
                self.read_for(&note, name);
                continue;
            }
            let of_note = |event: &&Event| event.cpu == Some(note.cpu) && event.sequence == Some(note.sequence);
            match events.iter().find(of_note) {
                Some(event) => self.take_ask(event, &note),
                None => self.refuse_outright(&note, UNANSWERED, "the ask was not recorded"),
            }
        }
    }

    /// What could not be recorded is not asked.
    pub(crate) fn refuse_unrecorded(self: &Rc<Self>, notes: &[Note]) {
        for note in notes.iter().filter(|note| note.held) {
            self.refuse_outright(note, UNANSWERED, "the ask was not recorded");
        }
    }

    fn take_ask(self: &Rc<Self>, event: &Event, note: &Note) {
        let known = {
            let book = self.book.borrow();
            let load = book.load(Generation(note.generation));
            let risk = |policy: &Policy| policy.risk(RuleId(event.rule.as_ref()?.id));
            load.map(|load| (load.policy.asking().clone(), risk(&load.policy)))
        };
        let Some((asking, risk)) = known else {
            return self.refuse_outright(note, UNANSWERED, "its policy is not known any more");
        };
        let ticket = Ticket::new(event, note, &asking, risk, Instant::now());
        let asked = self.approvals.borrow_mut().ask(ticket);
        match asked {
            Asked::Again => {}
            Asked::Full => self.refuse_outright(note, UNANSWERED, "too many asks wait"),
            Asked::Waits { withdrawn } => {
                if let Some(ticket) = withdrawn {
                    let detail = "withdrawn: the thread asks for something else".to_owned();
                    self.record(ticket.event(Effect::Denied, detail));
                }
                self.asked.notify_one();
            }
        }
    }

    /// Answers no without anybody having been asked.
    pub(crate) fn refuse_outright(self: &Rc<Self>, note: &Note, reason: u32, why: &'static str) {
        tracing::warn!(agent = %note.asker.agent, pid = %note.asker.pid, why, "an ask is refused");
        let (gateway, asker, digest) = (Rc::clone(self), note.asker, note.digest);
        tokio::task::spawn_local(async move {
            let given = gateway.give(asker, digest, false, reason).await;
            if let Err(problem) = given {
                tracing::error!(%problem, pid = %asker.pid, "a refusal was not given; the process stays stopped");
            }
            gateway.let_go_on_for_sure(asker).await;
        });
    }

    /// What it waits for may have come before the stop.
    pub(crate) async fn let_go_on_for_sure(&self, asker: Asker) {
        for wait in [FAST_TICK, TICK, TICK] {
            self.let_go_on(asker).await;
            tokio::time::sleep(wait).await;
        }
    }

    /// Lays an answer into the kernel and lets the process go on.
    async fn give(&self, asker: Asker, digest: [u64; 2], allow: bool, reason: u32) -> Result<(), WireError> {
        let grant = Grant {
            agent: asker.agent,
            pid: asker.pid,
            tid: asker.tid,
            start_ns: asker.start_ns,
            digest,
            allow,
            reason: u16::try_from(reason).unwrap_or_default(),
            good_for_ms: milliseconds(GRANT_TIME),
        };
        match self.sensor.request(SensorRequest::Grant(grant)).await? {
            SensorReply::Done => Ok(()),
            _ => Err(WireError::new("protocol", "the sensor answered something else")),
        }
    }

    async fn let_go_on(&self, asker: Asker) {
        let request = SensorRequest::Continue {
            pid: asker.pid,
            start_ns: asker.start_ns,
        };
        if let Err(problem) = self.sensor.request(request).await {
            // It may have ended.
            tracing::debug!(%problem, pid = %asker.pid, "not told to go on");
        }
    }

    pub(crate) fn approval_rows(&self) -> Vec<ApprovalRow> {
        self.approvals.borrow().rows()
    }

    /// A person's answer. Once begun it is finished, whether the client waits or not.
    pub(crate) async fn answer_for(self: &Rc<Self>, peer: Peer, id: u64, allow: bool) -> Result<Reply, WireError> {
        let may = |approvers: &[Approver]| {
            approvers.iter().any(|approver| match approver {
                Approver::User(name) => peer.is_user(name),
                Approver::Group(name) => peer.is_member(name),
            })
        };
        let yes_by = allow.then_some(peer.uid);
        let ticket = self.approvals.borrow_mut().begin(id, yes_by, may)?;
        let gateway = Rc::clone(self);
        let answering = tokio::task::spawn_local(async move {
            if allow && ticket.row.second_person && ticket.row.approved_by.is_none() {
                return gateway.approve_half(&ticket, peer).await;
            }
            let (effect, word, reason) = if allow {
                (Effect::Allowed, "approved", abi::AA_REASON_APPROVED)
            } else {
                (Effect::Denied, "denied", abi::AA_REASON_REFUSED)
            };
            let event = ticket.event(effect, format!("{word} by user {} (process {})", peer.uid, peer.pid));
            gateway.answer(&ticket, allow, reason, event).await
        });
        let row = answering.await;
        row.map_err(|_| WireError::new("internal", "the answer was not given"))?
            .map(|row| Reply::Answered(Box::new(row)))
    }

    /// The first of two says yes.
    async fn approve_half(&self, ticket: &Ticket, peer: Peer) -> Result<ApprovalRow, WireError> {
        let id = ticket.row.id;
        let detail = format!(
            "approved by user {} (process {}); a second person has to, too",
            peer.uid, peer.pid
        );
        if let Err(problem) = self.record_first(ticket.event(Effect::Held, detail)).await {
            self.approvals.borrow_mut().revert(id);
            return Err(problem);
        }
        let row = self.approvals.borrow_mut().half(id, peer.uid);
        row.ok_or_else(|| WireError::new("no-such-approval", format!("{id} waits no more")))
    }

    async fn answer(&self, ticket: &Ticket, allow: bool, reason: u32, event: Event) -> Result<ApprovalRow, WireError> {
        let id = ticket.row.id;
        if let Err(problem) = self.record_first(event).await {
            if allow {
                self.approvals.borrow_mut().revert(id);
                return Err(problem);
            }
            // To refuse never waits for the record of it.
            tracing::error!(%problem, id, "a refusal was not recorded");
        }
        // Before it is given: the kernel's record of it may be here before the answer of the sensor.
        self.approvals.borrow_mut().answered(id, Instant::now());
        if let Err(problem) = self.give(ticket.asker, ticket.digest, allow, reason).await {
            self.approvals.borrow_mut().remove(id);
            self.record(ticket.event(Effect::Denied, format!("the answer was not given: {}", problem.message)));
            // It asks again, if it is there.
            self.let_go_on(ticket.asker).await;
            return Err(problem);
        }
        Ok(ApprovalRow {
            approved_by: None,
            ..ticket.row.clone()
        })
    }

    /// Nobody answered in time: as the policy says.
    async fn expire(&self, id: u64) {
        let Ok(ticket) = self.approvals.borrow_mut().begin(id, None, |_| true) else {
            return;
        };
        let allow = ticket.otherwise_allow;
        let effect = if allow { Effect::Allowed } else { Effect::Denied };
        let event = ticket.event(effect, "nobody answered in time".to_owned());
        if let Err(problem) = self.answer(&ticket, allow, abi::AA_REASON_NO_ANSWER, event).await {
            tracing::error!(%problem, id, "an ask whose time is over was not answered");
        }
    }

    async fn bury_asks(&self) {
        if self.approvals.borrow().is_empty() {
            return;
        }
        let Ok(processes) = self.processes().await else { return };
        if processes.len() >= PROCESS_LIST_LIMIT {
            return;
        }
        let lives = |asker: &Asker| {
            processes
                .iter()
                .any(|process| process.pid == asker.pid && process.start_ns == asker.start_ns)
        };
        for ticket in self.approvals.borrow_mut().bury(lives) {
            self.record(ticket.event(Effect::Denied, "the process has ended".to_owned()));
        }
    }
}
