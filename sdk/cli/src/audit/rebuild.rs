//! `aasm audit replay`: what the log alone says of sessions, spending and approvals, and where the daemon says something else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aa_sdk::Client;
use aa_wire::api::is_denial;
use aa_wire::event::{Effect, Kind};
use aa_wire::{Event, SessionId, Timestamp};
use serde::Serialize;

use super::unreadable;
use crate::exit::{FAILED, Failure};
use crate::secret::seconds;
use crate::table::table;
use crate::{print, print_json};

/// What the log says of a session.
#[derive(Debug, Default, Serialize)]
struct Session {
    agent: String,
    policy: String,
    first: Timestamp,
    last: Timestamp,
    /// Actions and exchanges that are recorded.
    events: u64,
    denied: u64,
    /// Calls of models, and what they took.
    calls: u64,
    tokens: u64,
    micro_dollars: u64,
    /// The numbers of its first and last record.
    #[serde(skip)]
    records: (u64, u64),
    /// By number and start; some that ended unrecorded may be among them.
    #[serde(skip)]
    living: BTreeSet<(u32, u64)>,
}

/// What the log says.
#[derive(Debug, Default)]
struct Rebuilt {
    sessions: BTreeMap<SessionId, Session>,
    /// Asks nobody has answered, by the number of their event.
    waiting: BTreeSet<u64>,
    answered: u64,
    boot: Option<String>,
    last: u64,
}

/// As it is told.
#[derive(Debug, Serialize)]
struct Told<'a> {
    records: u64,
    sessions: &'a BTreeMap<SessionId, Session>,
    living: Vec<SessionId>,
    waiting: &'a BTreeSet<u64>,
    answered: u64,
    /// `null`: there is no daemon to compare with.
    differences: Option<Vec<String>>,
}

pub(super) fn replay(socket: &Path, directory: &Path, offline: bool, json: bool) -> Result<(), Failure> {
    // First the daemon, then the log: what happens meanwhile is in the log too.
    let present = if offline { None } else { Some(Present::ask(socket)?) };
    let mut rebuilt = Rebuilt::default();
    for event in aa_audit::scan(directory, 0).map_err(|error| unreadable(&error))? {
        rebuilt.take(&event.map_err(|error| unreadable(&error))?);
    }
    let differences = present.map(|present| rebuilt.differences(&present));
    let differs = differences.as_ref().is_some_and(|lines| !lines.is_empty());
    if json {
        print_json(&Told {
            records: rebuilt.last,
            sessions: &rebuilt.sessions,
            living: rebuilt.living().collect(),
            waiting: &rebuilt.waiting,
            answered: rebuilt.answered,
            differences,
        })?;
    } else {
        print(&rebuilt.render(differences.as_deref()));
    }
    if differs { Err(Failure::Code(FAILED)) } else { Ok(()) }
}

/// What the daemon says.
#[derive(Debug, Default)]
struct Present {
    sessions: BTreeSet<SessionId>,
    waiting: BTreeSet<u64>,
    /// The last record there was before it was asked.
    last: u64,
}

impl Present {
    fn ask(socket: &Path) -> Result<Self, Failure> {
        let mut client = Client::connect(socket)?;
        let last = client.status()?.audit.sequence;
        let agents = client.agents()?;
        Ok(Self {
            sessions: agents.into_iter().flat_map(|agent| agent.sessions).collect(),
            waiting: client.approvals()?.iter().map(|row| row.id).collect(),
            last,
        })
    }
}

impl Rebuilt {
    fn take(&mut self, event: &Event) {
        self.last = event.id;
        match event.kind {
            Kind::Lifecycle if event.action == "start" => self.begin(event.detail.as_deref().unwrap_or_default()),
            Kind::Decision if event.effect == Effect::Held => {
                self.waiting.insert(event.id);
            }
            // A first of two approvals leaves it held.
            Kind::Approval if event.effect != Effect::Held => {
                let waited = event.about.is_some_and(|about| self.waiting.remove(&about));
                self.answered += u64::from(waited);
            }
            _ => {}
        }
        let Some(agent) = &event.agent else { return };
        let session = self.sessions.entry(agent.session).or_default();
        if session.events == 0 {
            session.first = event.time;
            session.records.0 = event.id;
        }
        session.events += 1;
        session.last = event.time;
        session.records.1 = event.id;
        session.denied += u64::from(is_denial(event));
        session.agent = agent.name.clone().unwrap_or_else(|| format!("agent {}", agent.id));
        if let Some(policy) = event.policy.as_ref().and_then(|policy| policy.name.clone()) {
            session.policy = policy;
        }
        if let (Kind::Life, Some(process)) = (event.kind, &event.process) {
            let process = (process.pid.0, process.start_ns);
            if event.action == "exit" {
                session.living.remove(&process);
            } else {
                session.living.insert(process);
            }
        }
        if let (Kind::Exchange, Some(call)) = (
            event.kind,
            event.exchange.as_ref().and_then(|exchange| exchange.call.as_ref()),
        ) {
            session.calls += 1;
            session.tokens += call.tokens.input.unwrap_or(0) + call.tokens.output.unwrap_or(0);
            session.micro_dollars += call.cost.map_or(0, |cost| cost.micro_dollars);
        }
    }

    /// No process outlives a boot, and what was held asks again under a new gateway.
    fn begin(&mut self, detail: &str) {
        let boot = detail
            .split_once(" in boot ")
            .and_then(|(_, rest)| rest.split_once(';'))
            .map(|(boot, _)| boot.to_owned());
        if boot.is_none() || boot != self.boot {
            self.sessions.values_mut().for_each(|session| session.living.clear());
        }
        self.boot = boot;
        self.waiting.clear();
    }

    fn living(&self) -> impl Iterator<Item = SessionId> {
        self.sessions
            .iter()
            .filter(|(_, session)| !session.living.is_empty())
            .map(|(id, _)| *id)
    }

    fn differences(&self, present: &Present) -> Vec<String> {
        let mut lines = Vec::new();
        // What was recorded since the daemon was asked is no difference.
        for id in &present.sessions {
            let known = self.sessions.get(id);
            if known.is_none_or(|session| session.living.is_empty() && session.records.1 <= present.last) {
                lines.push(format!("session {id} lives, and the log does not say so"));
            }
        }
        let old = |id: &SessionId| {
            self.sessions
                .get(id)
                .is_some_and(|session| session.records.0 <= present.last)
        };
        for id in self.living().filter(|id| !present.sessions.contains(id) && old(id)) {
            lines.push(format!(
                "session {id} lives by the log, and not by the daemon: its end was not recorded"
            ));
        }
        for id in present.waiting.difference(&self.waiting) {
            lines.push(format!("{id} waits for an answer, and the log does not say so"));
        }
        for id in self
            .waiting
            .difference(&present.waiting)
            .filter(|id| **id <= present.last)
        {
            lines.push(format!("{id} waits by the log, and not by the daemon"));
        }
        lines
    }

    fn render(&self, differences: Option<&[String]>) -> String {
        let row = |(id, session): (&SessionId, &Session)| {
            vec![
                id.to_string(),
                session.agent.clone(),
                session.policy.clone(),
                seconds(session.first),
                if session.living.is_empty() {
                    seconds(session.last)
                } else {
                    "lives".to_owned()
                },
                session.events.to_string(),
                session.denied.to_string(),
                session.calls.to_string(),
                session.tokens.to_string(),
                format!(
                    "${}.{:06}",
                    session.micro_dollars / 1_000_000,
                    session.micro_dollars % 1_000_000
                ),
            ]
        };
        let rows: Vec<_> = self.sessions.iter().map(row).collect();
        let heading = [
            "SESSION", "AGENT", "POLICY", "BEGAN", "ENDED", "EVENTS", "DENIED", "CALLS", "TOKENS", "COST",
        ];
        let text = table(&heading, &rows);
        let (answered, waiting) = (self.answered, self.waiting.len());
        let said = match differences {
            None => "not compared with a daemon\n".to_owned(),
            Some([]) => "the daemon says the same\n".to_owned(),
            Some(lines) => format!("the daemon says something else:\n  {}\n", lines.join("\n  ")),
        };
        format!("{text}approvals: {answered} answered, {waiting} wait\n{said}")
    }
}

#[cfg(test)]
mod tests {
    use aa_wire::event::AgentRef;
    use aa_wire::exchange::{Cost, ModelCall, Tokens};
    use aa_wire::{AgentId, Pid};

    use super::*;

    fn of_session(session: u64, kind: Kind, effect: Effect, action: &str, pid: u32) -> Event {
        let denial = crate::why::tests::denial();
        let mut process = denial.process.clone().unwrap();
        process.pid = Pid(pid);
        Event {
            kind,
            effect,
            action: action.to_owned(),
            process: Some(process),
            agent: Some(AgentRef {
                id: AgentId(3),
                name: Some("claude".into()),
                session: SessionId(session),
            }),
            ..denial
        }
    }

    fn rebuilt(events: &[Event]) -> Rebuilt {
        let mut rebuilt = Rebuilt::default();
        for (id, event) in (1..).zip(events) {
            rebuilt.take(&Event { id, ..event.clone() });
        }
        rebuilt
    }

    fn start(boot: &str) -> Event {
        Event::lifecycle(
            "start",
            Effect::Allowed,
            format!("gateway 0.1.0 started in boot {boot}; the log was closed at record 0"),
        )
    }

    #[test]
    fn sessions_live_until_their_last_process_ends_or_the_machine_does() {
        let life = |session, action, pid| of_session(session, Kind::Life, Effect::Allowed, action, pid);
        let mut events = vec![
            start("a"),
            life(1, "exec", 10),
            life(1, "fork", 11),
            life(2, "exec", 20),
            life(1, "exit", 10),
        ];
        let living = |events: &[Event]| rebuilt(events).living().collect::<Vec<_>>();
        assert_eq!(living(&events), [SessionId(1), SessionId(2)]);
        events.extend([start("a"), life(1, "exit", 11)]);
        assert_eq!(
            living(&events),
            [SessionId(2)],
            "another gateway of the same boot changes nothing"
        );
        events.push(start("b"));
        assert_eq!(living(&events), []);
        let rebuilt = rebuilt(&events);
        assert_eq!(rebuilt.differences(&Present::default()), Vec::<String>::new());
        let present = Present {
            sessions: [SessionId(2)].into(),
            last: 99,
            ..Present::default()
        };
        assert!(rebuilt.differences(&present)[0].starts_with("session 0000000000000002 lives, and"));
    }

    #[test]
    fn asks_wait_until_they_are_answered_and_what_only_one_side_knows_is_told() {
        let held = of_session(1, Kind::Decision, Effect::Held, "connect", 10);
        let answer = |about, effect| Event {
            about: Some(about),
            ..of_session(1, Kind::Approval, effect, "connect", 10)
        };
        let events = [
            held.clone(),
            held.clone(),
            answer(1, Effect::Held),
            answer(1, Effect::Allowed),
            held,
        ];
        let rebuilt = rebuilt(&events);
        assert_eq!(
            (rebuilt.waiting.iter().copied().collect::<Vec<_>>(), rebuilt.answered),
            (vec![2, 5], 1)
        );
        let present = Present {
            waiting: [5, 9].into(),
            last: 5,
            ..Present::default()
        };
        assert_eq!(
            rebuilt.differences(&present),
            [
                "9 waits for an answer, and the log does not say so",
                "2 waits by the log, and not by the daemon"
            ]
        );
    }

    #[test]
    fn what_calls_took_is_summed_by_session() {
        let mut call = of_session(7, Kind::Exchange, Effect::Allowed, "say", 10);
        let text =
            r#"{"protocol":"h2","method":"POST","host":"h","path":"/","request_bytes":1,"answer_bytes":1,"took_ms":1}"#;
        let mut exchange: aa_wire::exchange::Exchange = serde_json::from_str(text).unwrap();
        exchange.call = Some(ModelCall {
            tokens: Tokens {
                input: Some(40),
                output: Some(2),
                ..Tokens::default()
            },
            cost: Some(Cost {
                micro_dollars: 1_500_000,
                listed: true,
            }),
            ..ModelCall::default()
        });
        call.exchange = Some(Box::new(exchange));
        let denied = of_session(7, Kind::Decision, Effect::Denied, "exec", 10);
        let rebuilt = rebuilt(&[call.clone(), call, denied]);
        let session = &rebuilt.sessions[&SessionId(7)];
        assert_eq!(
            (
                session.calls,
                session.tokens,
                session.micro_dollars,
                session.denied,
                session.events
            ),
            (2, 84, 3_000_000, 1, 3)
        );
        let text = rebuilt.render(None);
        assert!(
            text.contains("$3.000000") && text.ends_with("not compared with a daemon\n"),
            "{text}"
        );
        assert!(rebuilt.render(Some(&[])).ends_with("the daemon says the same\n"));
    }
}
