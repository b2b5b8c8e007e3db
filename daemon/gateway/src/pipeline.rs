//! receive -> identify -> record -> publish. The kernel has decided already.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_audit::Durability;
use aa_bpf::abi;
use aa_bpf::record::{Record, RingName};
use aa_wire::api::is_denial;
use aa_wire::event::{Effect, Kind};
use aa_wire::sensor::{LossCount, Reply, Request};
use aa_wire::{AgentId, EscapedBytes, Event, Generation, Timestamp};
use tokio::sync::mpsc;
use tokio::sync::oneshot::error::RecvError;

use crate::actions;
use crate::approvals::Note;
use crate::describe::{Known, describe, ring};
use crate::gateway::{Gateway, Recorded};
use crate::holes::{Hole, Holes};
use crate::plaintext::judge::Denial;
use crate::rings::Batch;
use crate::state::SavedAgent;

/// How long a record of an unknown generation waits for the load under way to be known.
const LOAD_PATIENCE: Duration = Duration::from_secs(2);
/// How often losses are asked for.
const LOSS_INTERVAL: Duration = Duration::from_secs(5);

/// How often missing numbers are looked at while there are some.
const HOLE_INTERVAL: Duration = Duration::from_secs(1);

/// Takes records until the rings end.
pub(crate) async fn run(gateway: Rc<Gateway>, mut holes: Holes, mut batches: mpsc::Receiver<Batch>) {
    loop {
        let batch = if holes.is_waiting() {
            tokio::time::timeout(HOLE_INTERVAL, batches.recv()).await
        } else {
            Ok(batches.recv().await)
        };
        match batch {
            Ok(None) => return,
            Ok(Some(batch)) => {
                let (records, settle) = batch.into_parts();
                if gateway.record_all(records, &mut holes).await.is_err() {
                    return;
                }
                settle();
            }
            // No record, but time has passed.
            Err(_) => {}
        }
        for hole in holes.overdue(Instant::now()) {
            gateway.missing.set(gateway.missing.get() + hole.count);
            gateway.record(missing(&hole));
        }
    }
}

fn missing(hole: &Hole) -> Event {
    let Hole {
        ring,
        cpu,
        first,
        count,
    } = *hole;
    let detail = format!("{count} records of the {ring} ring, processor {cpu}, never arrived");
    Event {
        lost: Some(count),
        ring: Some(ring),
        cpu: Some(cpu),
        sequence: Some(first),
        ..loss("ring-hole", detail)
    }
}

fn loss(action: &str, detail: String) -> Event {
    Event {
        detail: Some(detail),
        ..Event::bare(Timestamp::now(), Kind::Loss, Effect::Denied, action)
    }
}

impl Gateway {
    /// Records and publishes a batch; those that a predecessor recorded are passed over. Fails when the log is closed.
    async fn record_all(self: &Rc<Self>, records: Vec<Record>, holes: &mut Holes) -> Result<(), RecvError> {
        let (mut synced, mut written, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let now = Instant::now();
        let mut heard = false;
        self.follow_rules(&records);
        self.listening.note_ends(&records);
        for record in records {
            if !holes.note(ring(record.ring), record.cpu, record.sequence, now) {
                continue;
            }
            // What the self-test may do is no news; what it was denied is recorded.
            if record.agent == abi::AA_SELF_TEST_AGENT && record.ring == RingName::Activity {
                continue;
            }
            self.await_generation(record.generation).await;
            let events = if record.ring == RingName::Decisions {
                &mut synced
            } else {
                &mut written
            };
            let names = self.names_of(&record, &mut heard).await;
            let denial = self.denial_of(&record);
            notes.extend(Note::of(&record, &names, denial.as_ref()));
            events.push(self.describe(&record, names, denial));
        }
        let batches = [(synced, Durability::Synced), (written, Durability::Written)];
        let recorded =
            batches.map(|(events, durability)| (!events.is_empty()).then(|| self.record_batch(events, durability)));
        let [synced, written] = recorded;
        if let Some(synced) = synced {
            let recorded = synced.await?;
            match &recorded {
                Ok(events) => self.take_notes(events, notes),
                Err(_) => self.refuse_unrecorded(&notes),
            }
            self.publish(recorded);
        }
        if let Some(written) = written {
            self.publish(written.await?);
        }
        Ok(())
    }

    /// Waits for a load under way if it may be the one this generation comes from.
    async fn await_generation(&self, generation: u32) {
        let unknown = generation != 0 && self.book.borrow().load(Generation(generation)).is_none();
        if unknown && self.loading.try_lock().is_err() {
            // Late is as good as never: the record then cites the number alone.
            let _ = tokio::time::timeout(LOAD_PATIENCE, self.loading.lock()).await;
        }
    }

    /// What is known of data that were not sent, or not yet: of a question that a person is asked it is kept until it is answered.
    fn denial_of(&self, record: &Record) -> Option<Denial> {
        if !actions::is_of_data(record) {
            None
        } else if record.other_pid == 0 {
            self.denied.take(record.digest[0])
        } else {
            self.denied.of_half(record.other_pid)
        }
    }

    fn describe(&self, record: &Record, names: Vec<EscapedBytes>, denial: Option<Denial>) -> Event {
        let book = self.book.borrow();
        let load = book.load(Generation(record.generation));
        let id = AgentId(record.agent);
        let mut agents = self.agents.borrow_mut();
        if let (None, Some(load)) = (agents.get(&id), load) {
            // An agent that a policy's own selector made: it is called as the policy is.
            let name = load.policy.name().to_owned();
            agents.insert(
                id,
                SavedAgent {
                    policy: name.clone(),
                    name,
                    slot_name: load.slot_name.clone(),
                },
            );
        }
        let known = Known {
            boottime_to_realtime_ns: self.hello.boottime_to_realtime_ns,
            agent_name: match record.agent {
                abi::AA_SELF_TEST_AGENT => Some("self-test".to_owned()),
                _ => agents.get(&id).map(|agent| agent.name.clone()),
            },
            load,
            names,
            denial,
            explaining: &self.explaining,
        };
        describe(record, &known)
    }

    /// Has the names of a recorded denial's stack recorded too, if there is room to find them.
    fn name_stack(self: &Rc<Self>, event: &Event) {
        let (Some(process), Some(turn)) = (&event.process, self.stacks.begin()) else {
            return;
        };
        let (gateway, stack) = (Rc::clone(self), event.stack.clone());
        let (pid, start_ns) = (process.pid, process.start_ns);
        let names = Event {
            agent: event.agent.clone(),
            about: Some(event.id),
            ..Event::bare(event.time, Kind::Stack, event.effect, event.action.clone())
        };
        tokio::task::spawn_local(async move {
            let found = gateway.stacks.name(&gateway.sensor, pid, start_ns, &stack).await;
            drop(turn);
            if let Some(stack) = found {
                gateway.record(Event { stack, ..names });
            }
        });
    }

    /// Tells everyone who follows of what the audit log acknowledged, or counts that it did not.
    pub(crate) fn publish(self: &Rc<Self>, recorded: Recorded) {
        let events = match recorded {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%error, "events were not recorded");
                self.unrecorded.set(self.unrecorded.get() + 1);
                return;
            }
        };
        for event in events {
            self.sessions.borrow_mut().note(&event);
            if (is_denial(&event) || event.effect == Effect::Held) && !event.stack.is_empty() {
                self.name_stack(&event);
            }
            // Nobody may be following.
            let _ = self.followers.send(Arc::new(event));
        }
        let unrecorded = self.unrecorded.get();
        let untold = unrecorded - self.unrecorded_told.replace(unrecorded);
        if untold > 0 {
            let detail = format!("{untold} batches of events could not be recorded");
            self.record(Event {
                lost: Some(untold),
                ..loss("unrecorded", detail)
            });
        }
    }
}

/// Publishes the events of the daemon's own that the audit log acknowledged.
pub(crate) async fn publish(gateway: Rc<Gateway>, mut recorded: mpsc::UnboundedReceiver<Recorded>) {
    while let Some(result) = recorded.recv().await {
        gateway.publish(result);
    }
}

/// Turns growing loss counters into events.
pub(crate) async fn watch_losses(gateway: Rc<Gateway>) {
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    let mut first = true;
    loop {
        if let Ok(Reply::Losses(losses)) = gateway.sensor.request(Request::Losses).await {
            for event in grown(&mut known, losses, first) {
                gateway.record(event);
            }
            first = false;
        }
        let own: Vec<_> = gateway
            .own_losses()
            .into_iter()
            .filter(|loss| loss.cause != "unrecorded")
            .collect();
        for event in grown(&mut known, own, false) {
            gateway.record(event);
        }
        tokio::time::sleep(LOSS_INTERVAL).await;
    }
}

/// An event for each counter that grew. What a sensor counted before this gateway is not told again.
fn grown(known: &mut BTreeMap<String, u64>, losses: Vec<LossCount>, silently: bool) -> Vec<Event> {
    let mut events = Vec::new();
    for LossCount { cause, count } in losses {
        let before = known.insert(cause.clone(), count).unwrap_or(0);
        let more = count.saturating_sub(before);
        if more > 0 && !silently {
            let detail = format!("{more} more: {}", what(&cause));
            events.push(Event {
                lost: Some(more),
                ..loss(&cause, detail)
            });
        }
    }
    events
}

fn what(cause: &str) -> &str {
    let known = abi::losses().iter().find(|(_, name, _)| *name == cause);
    known.map_or(cause, |(_, _, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_grew_is_told_once_with_what_it_grew_by() {
        let count = |count| {
            vec![LossCount {
                cause: "scratch-busy".into(),
                count,
            }]
        };
        let mut known = BTreeMap::new();
        assert_eq!(grown(&mut known, count(5), true).len(), 0);
        assert_eq!(grown(&mut known, count(5), false).len(), 0);
        let events = grown(&mut known, count(7), false);
        assert_eq!((events[0].lost, events[0].action.as_str()), (Some(2), "scratch-busy"));
        assert!(events[0].detail.as_ref().unwrap().contains("no working memory"));
    }
}
