//! The plaintext thread: reads what passed through TLS from the kernel's ring, listens to each connection, and tells what
//! was said in it. Contents stay on this thread, and are gone when they were looked at; what leaves it are events.
//!
//! The ring may lose; what is missing is a gap in its connection. A thread that does not keep up is told by the kernel's
//! counters, never by a connection that looks whole.

mod listener;
mod summary;
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
use aa_bpf::ring::{self, Ring};
use aa_redact::{Engine, EngineError, Options};
use aa_wire::event::{AgentRef, Effect, Kind, Object, ProcessRef};
use aa_wire::exchange::Exchange;
use aa_wire::{AgentId, CgroupId, EscapedBytes, Event, Pid, SessionId, Timestamp};
use tokio::sync::mpsc;

use crate::gateway::Gateway;
use listener::Listener;

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

/// The thread's handle. Dropping it has the thread end.
pub(crate) struct PlaintextThread {
    ended: Sender<Ended>,
    stop: Arc<AtomicBool>,
    undecodable: Arc<AtomicU64>,
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
            // It may be ending.
            let _ = self.ended.send(Ended {
                pid: record.pid,
                start_ns: record.start_ns,
                ktime_ns: record.ktime_ns,
            });
        }
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
pub(crate) fn start(ring: Ring) -> Result<(PlaintextThread, mpsc::Receiver<Spoken>), PlaintextError> {
    let engine = Arc::new(Engine::new(&Options::default())?);
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (stop, undecodable) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stopped, unread) = (Arc::clone(&stop), Arc::clone(&undecodable));
    let (ended, ends) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("plaintext".into())
        .spawn(move || listen(ring, &engine, &sender, &ends, &stopped, &unread))?;
    let handle = PlaintextThread {
        ended,
        stop,
        undecodable,
        _thread: thread,
    };
    Ok((handle, receiver))
}

fn listen(
    mut ring: Ring,
    engine: &Arc<Engine>,
    sender: &mpsc::Sender<Spoken>,
    ends: &Receiver<Ended>,
    stop: &AtomicBool,
    undecodable: &AtomicU64,
) {
    let mut listener = Listener::new(Arc::clone(engine));
    // Fails when the gateway ends: then nobody is told.
    let mut tell = |spoken| drop(sender.blocking_send(spoken));
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
            }
            listener.forget_idle(&mut tell);
            if let Err(error) = ring::wait(std::slice::from_ref(&ring), POLL) {
                tracing::error!(%error, "cannot wait for the kernel's plaintext ring");
                std::thread::sleep(POLL);
            }
        }
    }
}

/// Records what was said until the thread ends.
pub(crate) async fn record(gateway: Rc<Gateway>, mut spoken: mpsc::Receiver<Spoken>) {
    while let Some(first) = spoken.recv().await {
        let mut events = vec![gateway.tell_of(first)];
        while let Ok(next) = spoken.try_recv() {
            events.push(gateway.tell_of(next));
        }
        if let Ok(recorded) = gateway.record_batch(events, Durability::Written).await {
            gateway.publish(recorded);
        }
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
            names: self.lookups.borrow().names(agent, to.ip()),
        });
        event.exchange = Some(Box::new(exchange));
        event
    }
}
