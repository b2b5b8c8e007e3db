//! What each request of the control socket does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_audit::{AuditError, Checks};
use aa_wire::api::{AgentRow, AuditKey, GovernRequest, POLICY_TEXT_LIMIT, PolicySource, ProcessRow, Reply, Request};
use aa_wire::event::{Effect, Kind};
use aa_wire::sensor::{GovernedProcess, Reply as SensorReply, Request as SensorRequest, Switch};
use aa_wire::{AgentId, EscapedBytes, Event, SessionId, Timestamp, WireError};

use crate::book::{Origin, Source};
use crate::control::Peer;
use crate::gateway::Gateway;
use crate::state::SavedAgent;

/// How long `denials` waits for records still on their way.
const SETTLE_INTERVAL: Duration = Duration::from_millis(1);
const SETTLE_LIMIT: Duration = Duration::from_millis(400);
/// The same for what was said inside TLS, which may be much, on a machine with more to do.
const HEARD_LIMIT: Duration = Duration::from_secs(5);
/// How many events may stand between a denial and the names of its stack.
const STACK_WITHIN: usize = 20_000;
/// Bytes of an agent's name.
const NAME_LIMIT: usize = 128;

impl Gateway {
    /// Does what is asked. `Events` is answered elsewhere.
    pub(crate) async fn handle(self: &Rc<Self>, peer: Peer, request: Request) -> Result<Reply, WireError> {
        match request {
            Request::Status => Ok(Reply::Status(Box::new(self.status().await))),
            Request::Agents => self.agent_rows().await.map(Reply::Agents),
            Request::Events(_) => Err(WireError::new("internal", "events are a stream")),
            Request::Why { id } => self.why(id).await,
            Request::Denials { session, heard } => Ok(self.denials(session, heard).await),
            Request::Govern(request) => self.govern(peer, request).await,
            Request::Apply { text, file_name } => self.apply_for(peer, &text, &file_name).await,
            Request::PolicyList => Ok(Reply::Policies(self.book.borrow().rows())),
            Request::Kill(target) => self.switch(peer, &target, Switch::Killed).await.map(Reply::Killed),
            Request::Suspend(target) => self
                .switch(peer, &target, Switch::Suspended)
                .await
                .map(Reply::Suspended),
            Request::Resume(target) => self.switch(peer, &target, Switch::Running).await.map(Reply::Resumed),
            Request::Verify => self.verify().await,
            Request::AuditKey => self.audit_key(peer).await.map(Reply::AuditKey),
            Request::Budgets => self.budgets().map(Reply::Budgets),
            Request::Vault(request) => self.vault_request(peer, request).await.map(Reply::Vault),
            Request::Keys => self.keys().await.map(Reply::Keys),
            Request::RotateKey { purpose } => self.rotate_key(peer, &purpose).await.map(Reply::KeyRotated),
            Request::Holds => self.holds().map(Reply::Holds),
            Request::Hold { name, why } => self.hold(peer, name, why).await,
            Request::ReleaseHold { name } => self.release_hold(peer, &name).await,
            Request::Alerts => Ok(Reply::Alerts(self.alerts().map(Box::new))),
            Request::AlertTest { name } => self.alert_test(name).await,
            Request::Courier(report) => Ok(self.courier_report(report)),
            Request::Sign(request) => self.sign(request).await,
            Request::Approvals => Ok(Reply::Approvals(self.approval_rows())),
            Request::Answer { id, allow } => self.answer_for(peer, id, allow).await,
        }
    }

    pub(crate) async fn processes(&self) -> Result<Vec<GovernedProcess>, WireError> {
        match self.sensor.request(SensorRequest::Processes).await? {
            SensorReply::Processes(processes) => Ok(processes),
            _ => Err(WireError::new("protocol", "the sensor answered something else")),
        }
    }

    async fn agent_rows(&self) -> Result<Vec<AgentRow>, WireError> {
        let mut by_agent: BTreeMap<AgentId, Vec<GovernedProcess>> = BTreeMap::new();
        for process in self.processes().await? {
            by_agent.entry(process.agent).or_default().push(process);
        }
        let agents = self.agents.borrow();
        let row = |(id, processes): (AgentId, Vec<GovernedProcess>)| {
            let known = agents.get(&id);
            let sessions: BTreeSet<SessionId> = processes.iter().map(|process| process.session).collect();
            AgentRow {
                id,
                name: known.map(|agent| agent.name.clone()),
                policy: known.map(|agent| agent.policy.clone()),
                state: processes.first().map_or(Switch::Running, |process| process.switch),
                sessions: sessions.into_iter().collect(),
                processes: processes.iter().map(|process| self.process_row(process)).collect(),
            }
        };
        Ok(by_agent.into_iter().map(row).collect())
    }

    fn process_row(&self, process: &GovernedProcess) -> ProcessRow {
        ProcessRow {
            pid: process.pid,
            parent_pid: process.parent_pid,
            threads: process.threads,
            uid: process.uid,
            start: Timestamp::from_boottime(process.start_ns, self.hello.boottime_to_realtime_ns),
            command: EscapedBytes::from_bytes(&process.command),
        }
    }

    async fn why(&self, id: u64) -> Result<Reply, WireError> {
        let directory = self.audit.directory().to_owned();
        let found = tokio::task::spawn_blocking(move || find_with_stack(&directory, id))
            .await
            .map_err(|_| WireError::new("internal", "reading the audit log failed"))?;
        let event = found.map_err(|error| WireError::from_error("audit-unreadable", &error))?;
        event.map(|event| Reply::Event(Box::new(event))).ok_or_else(|| {
            WireError::new("no-such-event", format!("there is no event {id}")).hint("aasm events --denied")
        })
    }

    /// What was denied in a session, once what is under way has arrived.
    async fn denials(&self, session: SessionId, heard: bool) -> Reply {
        let begun = Instant::now();
        // A record leaves the ring when it is in the log and counted; which processes ended is noted before.
        let is_settled = || self.backlog.is_empty() && (!heard || self.listening.is_quiet());
        let limit = if heard { HEARD_LIMIT } else { SETTLE_LIMIT };
        while !is_settled() && begun.elapsed() < limit {
            tokio::time::sleep(SETTLE_INTERVAL).await;
        }
        let denials = self.sessions.borrow().of(session);
        Reply::Denials {
            count: denials.count,
            first: denials.first,
        }
    }

    async fn govern(&self, peer: Peer, request: GovernRequest) -> Result<Reply, WireError> {
        let source = self.policy_source(request.policy)?;
        let policy = match self.in_force_of(&source, Some(&request.environment)) {
            Some(in_force) => in_force.policy,
            None => crate::loading::parse(&source, Some(&request.environment)).await?,
        };
        let agent_name = checked_name(request.agent_name.as_deref().unwrap_or(policy.name()))?;
        let detail = format!(
            "process {} of user {} under {} as {agent_name}",
            peer.pid,
            peer.uid,
            policy.name()
        );
        self.record_first(Event::lifecycle("govern", Effect::Allowed, detail.clone()))
            .await?;
        let result = self
            .govern_now(
                peer,
                &source,
                &request.environment,
                &policy,
                &agent_name,
                request.confines_itself,
            )
            .await;
        if let Err(problem) = &result {
            let detail = format!("{detail}: {}", problem.message);
            self.record(Event::lifecycle("govern", Effect::Denied, detail));
        }
        result
    }

    async fn govern_now(
        &self,
        peer: Peer,
        source: &Source,
        environment: &aa_wire::api::EnvironmentPaths,
        policy: &Arc<aa_policy::Policy>,
        agent_name: &str,
        confines_itself: bool,
    ) -> Result<Reply, WireError> {
        self.check_hours(policy)?;
        // It may be in force for others, who confine themselves.
        self.accepted_gaps(policy, confines_itself)?;
        let in_force = self.ensure(source, Some(environment), policy).await?;
        let name = in_force.policy.name().to_owned();
        let request = SensorRequest::Govern {
            pid: peer.pid,
            start_ns: None,
            slot: in_force.slot,
            agent_name: agent_name.to_owned(),
        };
        let SensorReply::Governed { agent, session, cgroup } = self.sensor.request(request).await? else {
            return Err(WireError::new("protocol", "the sensor answered something else"));
        };
        let saved = SavedAgent {
            name: agent_name.to_owned(),
            policy: name.clone(),
            slot_name: in_force.slot_name,
        };
        self.agents.borrow_mut().insert(agent, saved);
        self.lookups.lock().forget(agent);
        self.save_state();
        let warnings = in_force.policy.warnings().iter().map(ToString::to_string).collect();
        let gaps = self.gaps(&in_force.policy, confines_itself);
        Ok(Reply::Governed {
            agent,
            session,
            cgroup,
            policy: name,
            warnings,
            without_lsm: self.hello.without_lsm,
            gaps: gaps.iter().map(ToString::to_string).collect(),
            places: self.places(&in_force.policy, confines_itself),
        })
    }

    fn policy_source(&self, policy: PolicySource) -> Result<Source, WireError> {
        match policy {
            PolicySource::Name(name) => self.find_source(&name),
            PolicySource::Text { text, file_name } => {
                bounded(&text)?;
                Ok(Source {
                    text: text.into(),
                    file_name,
                    origin: Origin::Client,
                })
            }
        }
    }

    async fn apply_for(&self, peer: Peer, text: &str, file_name: &str) -> Result<Reply, WireError> {
        bounded(text)?;
        let detail = format!("{} by user {}", EscapedBytes::from(file_name), peer.uid);
        self.record_first(Event::lifecycle("policy-apply", Effect::Allowed, detail.clone()))
            .await?;
        match self.apply(text, file_name).await {
            Ok((policy, loaded)) => {
                self.show_standing().await;
                let warnings = policy.warnings().iter().map(ToString::to_string).collect();
                Ok(Reply::Applied {
                    policy: policy.name().to_owned(),
                    warnings,
                    loaded,
                })
            }
            Err(problem) => {
                let detail = format!("{detail}: {}", problem.message);
                self.record(Event::lifecycle("policy-apply", Effect::Denied, detail));
                Err(problem)
            }
        }
    }

    async fn verify(&self) -> Result<Reply, WireError> {
        let directory = self.audit.directory().to_owned();
        let checks = Checks {
            live: true,
            ..Checks::default()
        };
        let checked = tokio::task::spawn_blocking(move || aa_audit::verify(&directory, &checks)).await;
        let checked = checked.map_err(|_| WireError::new("internal", "checking the audit log failed"))?;
        let report = checked.map_err(|error| WireError::from_error("audit-unreadable", &error))?;
        Ok(report.reply())
    }
}

impl Gateway {
    /// The control group may do much; what makes the log's seals is for who could read the key's file anyway.
    async fn audit_key(&self, peer: Peer) -> Result<AuditKey, WireError> {
        if peer.uid != 0 {
            let refused = WireError::new("not-permitted", "the audit log's key is root's alone");
            return Err(refused.hint("sudo aasm audit key"));
        }
        let (audit, to) = (
            Arc::clone(&self.audit),
            format!("user {} (process {})", peer.uid, peer.pid),
        );
        let given = tokio::task::spawn_blocking(move || audit.hand_out_key(to)).await;
        let given = given.map_err(|_| WireError::new("internal", "the audit log's writer failed"))?;
        given.map_err(|error| WireError::from_error("audit-failing", &error))
    }
}

/// The event of this number, its stack named if that was recorded after it.
fn find_with_stack(directory: &Path, id: u64) -> Result<Option<Event>, AuditError> {
    let mut events = aa_audit::scan(directory, id)?;
    let Some(mut event) = events.next().transpose()?.filter(|event| event.id == id) else {
        return Ok(None);
    };
    if !event.stack.is_empty() {
        for later in events.take(STACK_WITHIN) {
            let later = later?;
            if later.kind == Kind::Stack && later.about == Some(id) {
                event.stack = later.stack;
                break;
            }
        }
    }
    Ok(Some(event))
}

fn bounded(text: &str) -> Result<(), WireError> {
    if text.len() > POLICY_TEXT_LIMIT {
        return Err(WireError::new(
            "policy-too-large",
            format!("a policy's text has at most {POLICY_TEXT_LIMIT} bytes"),
        )
        .hint("split it by scope (org, team, agent), or say it with fewer, wider patterns"));
    }
    Ok(())
}

/// An agent's name is shown everywhere, so it is plain.
fn checked_name(name: &str) -> Result<String, WireError> {
    let plain = !name.is_empty() && name.len() <= NAME_LIMIT && aa_wire::text::escape(name.as_bytes()) == name;
    if plain {
        return Ok(name.to_owned());
    }
    Err(WireError::new(
        "bad-name",
        format!("an agent's name has 1 to {NAME_LIMIT} bytes and no control characters"),
    ))
}
