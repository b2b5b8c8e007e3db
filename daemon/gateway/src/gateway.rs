//! What the tasks of the gateway share. One thread runs them all, so each part is a cell borrowed between two awaits,
//! never across one.
//!
//! Tasks: the sensor link's reader, the pipeline, the recorder (what the audit log acknowledged), the clock (losses,
//! unused policies, asks, hours), the control socket's acceptor, one per client. Threads: this one, `rings`, `plaintext`, `audit`, `symbols`, and
//! at most four that do blocking work (parsing a policy, reading the audit log, the vault).
//!
//! Channels: rings -> pipeline (one batch, settled when it is in the log; see [`crate::rings`]), plaintext -> its
//! recorder (exchanges that are over), pipeline and others ->
//! audit (the log's own queue), audit -> recorder, recorder -> followers (4096 events; a slow one skips and is told).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use aa_audit::{AuditError, AuditLog, Durability};
use aa_bpf::ring::Backlog;
use aa_wire::sensor::{Hello, LossCount};
use aa_wire::{AgentId, Event, Timestamp, WireError};
use tokio::sync::{Mutex, Notify, broadcast, mpsc, oneshot};

use crate::approvals::Approvals;
use crate::book::{Book, Origin};
use crate::clock::SharedClock;
use crate::courier::Desk;
use crate::explaining::Explaining;
use crate::hours::Opener;
use crate::lookups::SharedLookups;
use crate::plaintext::PlaintextThread;
use crate::plaintext::judge::{Denied, Shared};
use crate::prices::SharedPrices;
use crate::reading::Readings;
use crate::retention::Retention;
use crate::rings::RingCounts;
use crate::sensor_link::Sensor;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::spending::Treasury;
use crate::stacks::Stacks;
use crate::state::{RingsInLog, SavedAgent, SavedLoad, State, StateFile};
use crate::vault::strongroom::Strongroom;

/// Events a follower may lag behind.
const FOLLOWER_LAG: usize = 4096;

/// What the audit log answered to one batch.
pub(crate) type Recorded = Result<Vec<Event>, AuditError>;

/// See the module.
pub(crate) struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) hello: Hello,
    pub(crate) started: Timestamp,
    pub(crate) sensor: Sensor,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) rings: Arc<RingCounts>,
    pub(crate) listening: PlaintextThread,
    /// Of the decisions.
    pub(crate) backlog: Backlog,
    pub(crate) book: RefCell<Book>,
    /// What was found in what agents may not send.
    pub(crate) denied: Denied,
    /// Held while a policy is being loaded.
    pub(crate) loading: Mutex<()>,
    pub(crate) agents: RefCell<BTreeMap<AgentId, SavedAgent>>,
    pub(crate) sessions: RefCell<Sessions>,
    pub(crate) approvals: RefCell<Approvals>,
    pub(crate) readings: RefCell<Readings>,
    pub(crate) lookups: SharedLookups,
    pub(crate) prices: SharedPrices,
    pub(crate) clock: SharedClock,
    pub(crate) treasury: Treasury,
    pub(crate) strongroom: Strongroom,
    pub(crate) courier: Desk,
    pub(crate) retention: Retention,
    pub(crate) opener: RefCell<Opener>,
    pub(crate) explaining: Explaining,
    /// Something new is asked.
    pub(crate) asked: Notify,
    pub(crate) stacks: Stacks,
    pub(crate) followers: broadcast::Sender<Arc<Event>>,
    /// Records missing by their numbers.
    pub(crate) missing: Cell<u64>,
    /// Events the audit log did not take.
    pub(crate) unrecorded: Cell<u64>,
    /// How many of those an event has told.
    pub(crate) unrecorded_told: Cell<u64>,
    rings_in_log: RingsInLog,
    recorded: mpsc::UnboundedSender<Recorded>,
    state_file: StateFile,
}

/// What [`Gateway::new`] takes.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) hello: Hello,
    pub(crate) sensor: Sensor,
    pub(crate) audit: AuditLog,
    pub(crate) rings: Arc<RingCounts>,
    pub(crate) listening: PlaintextThread,
    pub(crate) backlog: Backlog,
    pub(crate) stacks: Stacks,
    pub(crate) saved: BTreeMap<u32, SavedAgent>,
    pub(crate) shared: Shared,
    pub(crate) strongroom: Strongroom,
    pub(crate) rings_in_log: RingsInLog,
}

impl Gateway {
    pub(crate) fn new(parts: Parts) -> (Self, mpsc::UnboundedReceiver<Recorded>) {
        let (recorded, receiver) = mpsc::unbounded_channel();
        let gateway = Self {
            state_file: StateFile::new(&parts.settings.state_dir),
            settings: parts.settings,
            hello: parts.hello,
            started: Timestamp::now(),
            sensor: parts.sensor,
            audit: Arc::new(parts.audit),
            rings: parts.rings,
            listening: parts.listening,
            backlog: parts.backlog,
            book: RefCell::new(Book::new(parts.shared.sayings)),
            denied: parts.shared.denied,
            loading: Mutex::new(()),
            agents: RefCell::new(
                parts
                    .saved
                    .into_iter()
                    .map(|(id, agent)| (AgentId(id), agent))
                    .collect(),
            ),
            sessions: RefCell::default(),
            approvals: RefCell::default(),
            readings: RefCell::default(),
            lookups: parts.shared.lookups,
            prices: parts.shared.prices,
            clock: parts.shared.clock,
            treasury: parts.shared.treasury,
            strongroom: parts.strongroom,
            courier: Desk::default(),
            retention: Retention::default(),
            opener: RefCell::default(),
            explaining: Explaining::new(Instant::now()),
            asked: Notify::new(),
            stacks: parts.stacks,
            followers: broadcast::channel(FOLLOWER_LAG).0,
            missing: Cell::new(0),
            unrecorded: Cell::new(0),
            unrecorded_told: Cell::new(0),
            rings_in_log: parts.rings_in_log,
            recorded,
        };
        (gateway, receiver)
    }

    /// Records one event of the daemon's own without waiting; it is followed and counted like any other.
    pub(crate) fn record(&self, event: Event) {
        let recorded = self.recorded.clone();
        // The receiver lives as long as the gateway.
        self.audit.submit(vec![event], Durability::Synced, move |result| {
            drop(recorded.send(result));
        });
    }

    /// Records events; the answer comes when the log acknowledged them, and is to be published.
    pub(crate) fn record_batch(&self, events: Vec<Event>, durability: Durability) -> oneshot::Receiver<Recorded> {
        let (sender, receiver) = oneshot::channel();
        self.audit.submit(events, durability, move |result| {
            // Nobody waits any more when the gateway ends.
            let _ = sender.send(result);
        });
        receiver
    }

    /// Records one event and waits until it is on the disk: what may not happen unrecorded waits for this.
    pub(crate) async fn record_first(&self, event: Event) -> Result<u64, WireError> {
        let (sender, receiver) = oneshot::channel();
        let recorded = self.recorded.clone();
        self.audit.submit(vec![event], Durability::Synced, move |result| {
            let id = result
                .as_ref()
                .map(|events| events.first().map_or(0, |event| event.id))
                .map_err(Clone::clone);
            // Nobody may wait any more.
            let _ = sender.send(id);
            let _ = recorded.send(result);
        });
        let refused = |error: &AuditError| {
            WireError::from_error("audit-failing", error)
                .hint("make room for, or repair, the audit directory; nothing new is governed or changed meanwhile")
        };
        match receiver.await {
            Ok(Ok(id)) => Ok(id),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(refused(&AuditError::Closed)),
        }
    }

    /// What this gateway lost, by cause.
    pub(crate) fn own_losses(&self) -> Vec<LossCount> {
        use std::sync::atomic::Ordering::Relaxed;
        let count = |cause: &str, count| LossCount {
            cause: cause.to_owned(),
            count,
        };
        vec![
            count(
                "undecodable",
                self.rings.undecodable.load(Relaxed) + self.listening.undecodable(),
            ),
            count("unrecorded", self.unrecorded.get()),
        ]
    }

    /// Writes down what must survive this process. A failure costs names, not safety.
    pub(crate) fn save_state(&self) {
        let mut state = State {
            boot_id: self.hello.boot_id.clone(),
            rings: self.rings_in_log,
            ..State::default()
        };
        for (generation, load) in self.book.borrow().loads() {
            state.texts.insert(load.digest.clone(), Arc::clone(&load.source.text));
            let saved = SavedLoad {
                slot_name: load.slot_name.clone(),
                slot: load.slot.0,
                digest: load.digest.clone(),
                file_name: load.source.file_name.clone(),
                environment: load.environment.clone(),
                private: load.source.origin == Origin::Client,
                retired: load.retired,
            };
            state.loads.insert(generation.0, saved);
        }
        state.agents = self
            .agents
            .borrow()
            .iter()
            .map(|(id, agent)| (id.0, agent.clone()))
            .collect();
        if let Err(error) = self.state_file.save(&state) {
            tracing::error!(%error, "the state could not be saved");
        }
    }
}

impl Gateway {
    /// Takes policies out of force that only finished runs used.
    pub(crate) async fn sweep(&self) {
        let Ok(processes) = self.processes().await else { return };
        let living: std::collections::BTreeSet<AgentId> = processes.iter().map(|process| process.agent).collect();
        let used = {
            let agents = self.agents.borrow();
            // An agent that is not known here might use any of them.
            if living.iter().any(|agent| !agents.contains_key(agent)) {
                return;
            }
            living
                .iter()
                .filter_map(|agent| agents.get(agent))
                .map(|agent| agent.slot_name.clone())
                .collect::<Vec<_>>()
        };
        self.retire_unused(&used).await;
    }
}
