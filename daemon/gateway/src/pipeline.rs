//! receive -> identify -> record -> publish. The kernel has decided already.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aa_audit::Durability;
use aa_wire::api::is_denial;
use aa_wire::event::{Effect, Kind, Ring};
use aa_wire::sensor::{LossCount, Reply, Request};
use aa_wire::{AgentId, Event, Generation, Timestamp};
use tokio::sync::mpsc;

use crate::decode::Record;
use crate::describe::{Known, describe};
use crate::gateway::{Gateway, Recorded};
use crate::holes::Holes;
use crate::state::SavedAgent;

/// How long a record of an unknown generation waits for the load under way to be known.
const LOAD_PATIENCE: Duration = Duration::from_secs(2);
/// How often losses are asked for.
const LOSS_INTERVAL: Duration = Duration::from_secs(5);

/// Takes records until the rings end.
pub(crate) async fn run(gateway: Rc<Gateway>, mut holes: Holes, mut batches: mpsc::Receiver<Vec<Record>>) {
    while let Some(batch) = batches.recv().await {
        let mut synced = Vec::new();
        let mut written = Vec::new();
        for record in batch {
            let missing = holes.note(record.ring, record.cpu, record.sequence);
            if missing > 0 {
                gateway.missing.set(gateway.missing.get() + missing);
                synced.push(hole(&record, missing));
            }
            gateway.await_generation(record.generation).await;
            let event = gateway.describe(&record);
            if is_denial(&event) && !event.stack.is_empty() {
                match gateway.stacks.begin() {
                    Some(turn) => {
                        let gateway = Rc::clone(&gateway);
                        tokio::task::spawn_local(async move { gateway.record_with_stack(event, turn).await });
                    }
                    None => synced.push(event),
                }
            } else if record.ring == Ring::Decisions {
                synced.push(event);
            } else {
                written.push(event);
            }
        }
        for (events, durability) in [(synced, Durability::Synced), (written, Durability::Written)] {
            if !events.is_empty() {
                gateway.record_batch(events, durability).await;
            }
        }
    }
}

fn hole(record: &Record, missing: u64) -> Event {
    let detail = format!(
        "{missing} records of the {} ring, processor {}, never arrived",
        record.ring, record.cpu
    );
    let mut event = Event {
        lost: Some(missing),
        ..loss("ring-hole", detail)
    };
    (event.ring, event.cpu) = (Some(record.ring), Some(record.cpu));
    event
}

fn loss(action: &str, detail: String) -> Event {
    Event {
        detail: Some(detail),
        ..Event::bare(Timestamp::now(), Kind::Loss, Effect::Denied, action)
    }
}

impl Gateway {
    /// Waits for a load under way if it may be the one this generation comes from.
    async fn await_generation(&self, generation: u32) {
        let unknown = generation != 0 && self.book.borrow().load(Generation(generation)).is_none();
        if unknown && self.loading.try_lock().is_err() {
            // Late is as good as never: the record then cites the number alone.
            let _ = tokio::time::timeout(LOAD_PATIENCE, self.loading.lock()).await;
        }
    }

    fn describe(&self, record: &Record) -> Event {
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
            agent_name: agents.get(&id).map(|agent| agent.name.clone()),
            load,
        };
        describe(record, &known)
    }

    async fn record_with_stack(&self, mut event: Event, turn: crate::stacks::Turn) {
        if let Some(process) = &event.process {
            let addresses = event.stack.iter().map(|frame| frame.address).collect();
            event.stack = self
                .stacks
                .name(&self.sensor, process.pid, process.start_ns, addresses)
                .await;
        }
        drop(turn);
        self.record_batch(vec![event], Durability::Synced).await;
    }
}

/// Publishes what the audit log acknowledged.
pub(crate) async fn publish(gateway: Rc<Gateway>, mut recorded: mpsc::UnboundedReceiver<Recorded>) {
    let mut lost_before = 0;
    while let Some(result) = recorded.recv().await {
        let events = match result {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%error, "events were not recorded");
                gateway.unrecorded.set(gateway.unrecorded.get() + 1);
                continue;
            }
        };
        for event in events {
            gateway.sessions.borrow_mut().note(&event);
            // Nobody may be following.
            let _ = gateway.followers.send(Arc::new(event));
        }
        let unrecorded = gateway.unrecorded.get();
        if unrecorded > lost_before {
            let detail = format!("{} batches of events could not be recorded", unrecorded - lost_before);
            let lost = Some(unrecorded - lost_before);
            lost_before = unrecorded;
            gateway.record(Event {
                lost,
                ..loss("unrecorded", detail)
            });
        }
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
    let known = aa_bpf::abi::losses().iter().find(|(_, name, _)| *name == cause);
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
