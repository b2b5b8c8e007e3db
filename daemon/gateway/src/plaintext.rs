//! The plaintext thread: reads what passed through TLS from the kernel's ring, listens to each connection, and tells what
//! was said in it. Contents stay on this thread, and are gone when they were looked at; what leaves it are events.
//!
//! The ring may lose; what is missing is a gap in its connection. A thread that does not keep up is told by the kernel's
//! counters, never by a connection that looks whole.

mod contents;
pub(crate) mod judge;
mod listener;
mod paying;
mod providers;
mod requests;
mod summary;
mod tools;
mod unbound;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use aa_audit::Durability;
use aa_bpf::abi;
use aa_bpf::record::plaintext::{ConnectionId, Speaker, decode};
use aa_bpf::record::{Record, RecordKind};
use aa_bpf::ring::{self, Backlog, Ring};
use aa_redact::EngineError;
use aa_wire::event::{AgentRef, Effect, Kind, Object, ProcessRef};
use aa_wire::exchange::Exchange;
use aa_wire::{AgentId, CgroupId, EscapedBytes, Event, Pid, SessionId, Timestamp};
use tokio::sync::mpsc;

use crate::gateway::Gateway;
use crate::vault::known::SharedEngine;
use judge::Judge;
use listener::Listener;
use summary::Teller;

/// Records that are read before their room is given back.
const BATCH: usize = 256;
/// How long the thread sleeps at most.
const POLL: Duration = Duration::from_millis(250);
/// Exchanges that wait to be recorded; then the thread waits too.
const QUEUE: usize = 1024;

/// One exchange that is over, and who had it.
#[derive(Debug)]
pub(crate) struct Spoken {
    speaker: Speaker,
    connection: ConnectionId,
    /// Where it went, if that is known.
    to: Option<SocketAddr>,
    ktime_ns: u64,
    exchange: Exchange,
}

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaintextError {
    #[error("the detectors cannot be made")]
    Engine(#[from] EngineError),
    #[error("the system gives no random bytes")]
    Randomness,
    #[error("the plaintext thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// A process that ended, or runs another program from then on. What it said before is in the ring already.
#[derive(Clone, Copy, Debug)]
struct Ended {
    pid: u32,
    start_ns: u64,
    ktime_ns: u64,
}

/// How far the thread and who records for it have come.
#[derive(Debug, Default)]
struct Progress {
    /// Processes whose end was noted, and was heard of.
    noted: AtomicU64,
    heard: AtomicU64,
    /// Exchanges that were told, and are recorded.
    told: AtomicU64,
    recorded: AtomicU64,
}

/// The thread's handle. Dropping it has the thread end.
pub(crate) struct PlaintextThread {
    ended: Sender<Ended>,
    backlog: Backlog,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    undecodable: Arc<AtomicU64>,
    engine: SharedEngine,
    _thread: JoinHandle<()>,
}

impl PlaintextThread {
    /// Takes from records which processes have ended.
    pub(crate) fn note_ends(&self, records: &[Record]) {
        let ends = |record: &&Record| {
            let action = u32::from(record.action);
            record.kind == RecordKind::Life && [abi::AA_ACTION_EXIT, abi::AA_ACTION_EXEC].contains(&action)
        };
        for record in records.iter().filter(ends) {
            self.progress.noted.fetch_add(1, Ordering::Relaxed);
            // It may be ending.
            let _ = self.ended.send(Ended {
                pid: record.pid,
                start_ns: record.start_ns,
                ktime_ns: record.ktime_ns,
            });
        }
    }

    /// Whether all that was said by processes whose end was noted is recorded.
    pub(crate) fn is_quiet(&self) -> bool {
        let count = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let Progress {
            noted,
            heard,
            told,
            recorded,
        } = &*self.progress;
        count(noted) == count(heard) && self.backlog.is_empty() && count(told) == count(recorded)
    }

    /// What is looked for in what is said.
    pub(crate) fn engine(&self) -> &SharedEngine {
        &self.engine
    }

    /// Records that this build cannot read.
    pub(crate) fn undecodable(&self) -> u64 {
        self.undecodable.load(Ordering::Relaxed)
    }
}

impl Drop for PlaintextThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Starts the thread.
pub(crate) fn start(ring: Ring, judge: Judge) -> Result<(PlaintextThread, Told), PlaintextError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| PlaintextError::Randomness)?;
    let engine = SharedEngine::new(key)?;
    let teller = Teller::new(engine.clone(), &judge.shared);
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (stop, undecodable) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stopped, unread) = (Arc::clone(&stop), Arc::clone(&undecodable));
    let (ended, ends) = std::sync::mpsc::channel();
    let (backlog, progress) = (ring.backlog(), Arc::new(Progress::default()));
    let (heard, told) = (Arc::clone(&progress), Arc::clone(&progress));
    let thread = std::thread::Builder::new().name("plaintext".into()).spawn(move || {
        listen(
            ring,
            Listener::new(teller, judge),
            &sender,
            &ends,
            &stopped,
            &unread,
            &heard,
        );
    })?;
    let handle = PlaintextThread {
        ended,
        backlog,
        progress,
        stop,
        undecodable,
        engine,
        _thread: thread,
    };
    let spoken = receiver;
    Ok((handle, Told { spoken, progress: told }))
}

fn listen(
    mut ring: Ring,
    mut listener: Listener,
    sender: &mpsc::Sender<Spoken>,
    ends: &Receiver<Ended>,
    stop: &AtomicBool,
    undecodable: &AtomicU64,
    progress: &Progress,
) {
    let mut tell = |spoken| {
        progress.told.fetch_add(1, Ordering::Release);
        // Fails when the gateway ends: then nobody is told.
        drop(sender.blocking_send(spoken));
    };
    let mut ended: Vec<Ended> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        ended.extend(ends.try_iter());
        let count = ring.read(BATCH, |bytes| match decode(bytes) {
            Ok(piece) => listener.hear(&piece, &mut tell),
            Err(_) => drop(undecodable.fetch_add(1, Ordering::Relaxed)),
        });
        ring.release();
        if count == 0 {
            for end in ended.drain(..) {
                listener.end_process(&end, &mut tell);
                progress.heard.fetch_add(1, Ordering::Release);
            }
            listener.forget_idle(&mut tell);
            if let Err(error) = ring::wait(std::slice::from_ref(&ring), POLL) {
                tracing::error!(%error, "cannot wait for the kernel's plaintext ring");
                std::thread::sleep(POLL);
            }
        }
    }
}

/// What the thread tells, to be recorded.
pub(crate) struct Told {
    spoken: mpsc::Receiver<Spoken>,
    progress: Arc<Progress>,
}

/// Records what was said until the thread ends.
pub(crate) async fn record(gateway: Rc<Gateway>, told: Told) {
    let Told { mut spoken, progress } = told;
    while let Some(first) = spoken.recv().await {
        let mut events = vec![gateway.tell_of(first)];
        while let Ok(next) = spoken.try_recv() {
            events.push(gateway.tell_of(next));
        }
        let count = events.len() as u64;
        if let Ok(recorded) = gateway.record_batch(events, Durability::Written).await {
            gateway.publish(recorded);
        }
        gateway.record_notices();
        progress.recorded.fetch_add(count, Ordering::Release);
    }
}

impl Gateway {
    fn tell_of(&self, spoken: Spoken) -> Event {
        let at = |boot_ns| Timestamp::from_boottime(boot_ns, self.hello.boottime_to_realtime_ns);
        let Spoken {
            speaker,
            connection,
            to,
            ktime_ns,
            exchange,
        } = spoken;
        let agent = AgentId(speaker.agent);
        let mut event = Event::bare(at(ktime_ns), Kind::Exchange, Effect::Allowed, "exchange");
        event.agent = Some(AgentRef {
            id: agent,
            name: self.agents.borrow().get(&agent).map(|agent| agent.name.clone()),
            session: SessionId(speaker.session),
        });
        event.process = Some(ProcessRef {
            pid: Pid(connection.pid),
            tid: speaker.tid,
            parent_pid: Pid(speaker.parent_pid),
            start: at(connection.start_ns),
            start_ns: connection.start_ns,
            executable: EscapedBytes::default(),
            uid: speaker.uid,
            cgroup: CgroupId(speaker.cgroup),
        });
        event.object = to.map(|to| Object::Address {
            address: to.ip(),
            port: to.port(),
            protocol: "tcp".to_owned(),
            names: self.lookups.lock().names(agent, to.ip()),
        });
        event.exchange = Some(Box::new(exchange));
        event
    }
}
