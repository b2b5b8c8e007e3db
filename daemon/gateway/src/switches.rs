//! Agents suspended, killed and resumed: by a person, or by a rule whose hook has thrown the switch already.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Instant;

use aa_bpf::abi;
use aa_bpf::record::Record;
use aa_policy::{Decision, Verdict};
use aa_wire::api::{KillTarget, Switched};
use aa_wire::event::Effect;
use aa_wire::sensor::{GovernedProcess, Reply, Request, Switch};
use aa_wire::{AgentId, Event, WireError};

use crate::control::Peer;
use crate::gateway::Gateway;

/// The word for it in the log.
fn lifecycle(to: Switch) -> (&'static str, Effect) {
    match to {
        Switch::Killed => ("kill", Effect::Killed),
        Switch::Suspended => ("suspend", Effect::Suspended),
        Switch::Running => ("resume", Effect::Allowed),
    }
}

/// The switch that a hook threw, by its record.
fn thrown(record: &Record) -> Option<Switch> {
    match (Decision(record.decision).verdict(), u32::from(record.effect)) {
        (Verdict::Kill, abi::AA_EFFECT_KILLED) => Some(Switch::Killed),
        (Verdict::Suspend, abi::AA_EFFECT_SUSPENDED) => Some(Switch::Suspended),
        _ => None,
    }
}

impl Gateway {
    /// Throws a switch. That never waits for the record of it.
    pub(crate) async fn switch(
        self: &Rc<Self>,
        peer: Peer,
        target: &KillTarget,
        to: Switch,
    ) -> Result<Switched, WireError> {
        match (target, to) {
            (KillTarget::All, Switch::Killed) => return self.halt(peer).await,
            // Those that stand still go on below.
            (KillTarget::All, Switch::Running) => drop(self.sensor.request(Request::LiftHalt).await?),
            _ => {}
        }
        let begun = Instant::now();
        let agents = self.targets(target, to).await?;
        if agents.is_empty() && *target != KillTarget::All {
            return Err(WireError::new("no-such-agent", "nobody is governed by that name").hint("aasm agents"));
        }
        let (processes, failure) = self.switch_all(&agents, to).await;
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let names: Vec<_> = agents.iter().map(ToString::to_string).collect();
        let detail = format!(
            "agents [{}] by user {}: {processes} processes in {took_us} us",
            names.join(", "),
            peer.uid
        );
        let (word, effect) = lifecycle(to);
        let effect = if failure.is_some() { Effect::Denied } else { effect };
        self.record(Event::lifecycle(word, effect, detail));
        let switched = Switched {
            agents,
            processes,
            took_us,
        };
        failure.map_or(Ok(switched), Err)
    }

    /// Kills everybody, and has nobody begin anew. That never waits for the record of it.
    async fn halt(&self, peer: Peer) -> Result<Switched, WireError> {
        let by = format!("user {} (process {})", peer.uid, peer.pid);
        let Reply::Halted {
            agents,
            processes,
            took_us,
        } = self.sensor.request(Request::Halt { by: by.clone() }).await?
        else {
            return Err(WireError::new("protocol", "the sensor answered something else"));
        };
        let detail = format!(
            "by {by}: {} agents, {processes} processes in {took_us} us",
            agents.len()
        );
        self.record(Event::lifecycle("halt", Effect::Killed, detail));
        Ok(Switched {
            agents,
            processes: processes.into(),
            took_us,
        })
    }

    /// Does to the processes what the hooks' rules said of their agents. Each agent once, the stricter switch.
    pub(crate) fn follow_rules(self: &Rc<Self>, records: &[Record]) {
        let thrown: BTreeSet<_> = records
            .iter()
            .filter_map(|record| Some((AgentId(record.agent), thrown(record)?)))
            .collect();
        for (agent, to) in thrown {
            let gateway = Rc::clone(self);
            tokio::task::spawn_local(async move {
                let (processes, failure) = gateway.switch_all(&[agent], to).await;
                let (word, effect) = lifecycle(to);
                let (effect, outcome) = match failure {
                    None => (effect, format!("{processes} processes")),
                    Some(problem) => (Effect::Denied, problem.message),
                };
                let detail = format!("agent {agent} by a rule: {outcome}");
                gateway.record(Event::lifecycle(word, effect, detail));
            });
        }
    }

    async fn switch_all(&self, agents: &[AgentId], to: Switch) -> (u64, Option<WireError>) {
        let requests: Vec<_> = agents
            .iter()
            .map(|agent| {
                let (sensor, agent) = (self.sensor.clone(), *agent);
                tokio::task::spawn_local(async move { sensor.request(Request::Switch { agent, to }).await })
            })
            .collect();
        let (mut processes, mut failure) = (0, None);
        for request in requests {
            match request.await {
                Ok(Ok(Reply::Switched { processes: some, .. })) => processes += u64::from(some),
                Ok(Ok(_)) | Err(_) => failure = Some(WireError::new("protocol", "the sensor answered something else")),
                Ok(Err(problem)) => failure = Some(problem),
            }
        }
        (processes, failure)
    }

    /// Whom a target names: agents with processes. To go on also those without, whom nothing else would let start again.
    async fn targets(&self, target: &KillTarget, to: Switch) -> Result<Vec<AgentId>, WireError> {
        let processes = self.processes().await?;
        let agents = self.agents.borrow();
        let is_called =
            |id: AgentId, name: &str| id.to_string() == name || agents.get(&id).is_some_and(|agent| agent.name == name);
        let wanted = |process: &&GovernedProcess| match target {
            KillTarget::All => true,
            KillTarget::Session(session) => process.session == *session,
            KillTarget::Agent(name) => is_called(process.agent, name),
        };
        let mut found: BTreeSet<_> = processes.iter().filter(wanted).map(|process| process.agent).collect();
        if let (true, Switch::Running, KillTarget::Agent(name)) = (found.is_empty(), to, target) {
            found.extend(agents.keys().copied().filter(|id| is_called(*id, name)));
        }
        Ok(found.into_iter().collect())
    }
}
