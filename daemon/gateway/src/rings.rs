//! The ring thread: drains the kernel's rings, decodes, hands over in batches.
//!
//! The way to the pipeline is bounded. A batch that holds a record of the decisions ring waits for room, so that what is
//! not taken stays in the kernel's ring, where the kernel counts what it must then lose; a batch of activity alone is
//! dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aa_bpf::ring::{RingName, RingSet};
use aa_wire::event::Ring;
use tokio::sync::mpsc;

use crate::decode::{Record, Undecodable, decode};

/// Records in one batch.
const BATCH_RECORDS: usize = 256;
/// Batches that may wait for the pipeline.
pub(crate) const WAITING_BATCHES: usize = 64;
/// How long the thread sleeps at most, to notice that it is to end.
const POLL: Duration = Duration::from_millis(500);

/// Where records come from; the kernel's rings, or a test.
pub(crate) trait RecordSource: Send + 'static {
    fn poll(&mut self, timeout: Duration, each: &mut dyn FnMut(Ring, &[u8])) -> std::io::Result<()>;
}

impl RecordSource for RingSet {
    fn poll(&mut self, timeout: Duration, each: &mut dyn FnMut(Ring, &[u8])) -> std::io::Result<()> {
        let named = |ring: RingName| match ring {
            RingName::Decisions => Ring::Decisions,
            RingName::Activity => Ring::Activity,
            RingName::Plaintext => Ring::Plaintext,
        };
        RingSet::poll(self, timeout, |ring, bytes| each(named(ring), bytes)).map(|_| ())
    }
}

/// What the thread counted.
#[derive(Debug, Default)]
pub(crate) struct RingCounts {
    pub(crate) decisions: AtomicU64,
    pub(crate) activity: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    /// Activity that was dropped because the pipeline was busy.
    pub(crate) dropped: AtomicU64,
    /// Polls that ended.
    pub(crate) rounds: AtomicU64,
}

/// The thread's handle; dropping it ends the thread.
pub(crate) struct RingThread {
    pub(crate) counts: Arc<RingCounts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread.
pub(crate) fn start(source: impl RecordSource) -> std::io::Result<(RingThread, mpsc::Receiver<Vec<Record>>)> {
    let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
    let counts = Arc::new(RingCounts::default());
    let stop = Arc::new(AtomicBool::new(false));
    let drain = Drain {
        source,
        sender,
        counts: Arc::clone(&counts),
        stop: Arc::clone(&stop),
    };
    let thread = std::thread::Builder::new()
        .name("rings".into())
        .spawn(move || drain.run())?;
    Ok((
        RingThread {
            counts,
            stop,
            thread: Some(thread),
        },
        receiver,
    ))
}

impl Drop for RingThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ring thread ended in a panic");
        }
    }
}

struct Drain<S> {
    source: S,
    sender: mpsc::Sender<Vec<Record>>,
    counts: Arc<RingCounts>,
    stop: Arc<AtomicBool>,
}

impl<S: RecordSource> Drain<S> {
    fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let mut batch = Batch::default();
            let (counts, sender) = (&self.counts, &self.sender);
            let polled = self.source.poll(POLL, &mut |ring, bytes| {
                match decode(ring, bytes) {
                    Ok(record) => batch.push(record, counts),
                    Err(Undecodable) => drop(counts.undecodable.fetch_add(1, Ordering::Relaxed)),
                }
                if batch.records.len() == BATCH_RECORDS {
                    std::mem::take(&mut batch).send(sender, counts);
                }
            });
            batch.send(&self.sender, &self.counts);
            self.counts.rounds.fetch_add(1, Ordering::Release);
            if let Err(error) = polled {
                tracing::error!(%error, "cannot poll the kernel's rings");
                std::thread::sleep(POLL);
            }
        }
    }
}

#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    must_arrive: bool,
}

impl Batch {
    fn push(&mut self, record: Record, counts: &RingCounts) {
        if record.ring == Ring::Decisions {
            self.must_arrive = true;
            counts.decisions.fetch_add(1, Ordering::Relaxed);
        } else {
            counts.activity.fetch_add(1, Ordering::Relaxed);
        }
        self.records.push(record);
    }

    fn send(self, sender: &mpsc::Sender<Vec<Record>>, counts: &RingCounts) {
        let count = self.records.len() as u64;
        if count == 0 {
            return;
        }
        if self.must_arrive {
            // Fails only when the pipeline is gone, and then this thread ends too.
            let _ = sender.blocking_send(self.records);
        } else if sender.try_send(self.records).is_err() {
            counts.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::record_bytes;

    struct Scripted(Vec<(Ring, Vec<u8>)>);

    impl RecordSource for Scripted {
        fn poll(&mut self, _: Duration, each: &mut dyn FnMut(Ring, &[u8])) -> std::io::Result<()> {
            for (ring, bytes) in self.0.drain(..) {
                each(ring, &bytes);
            }
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        }
    }

    #[test]
    fn records_arrive_and_what_is_none_is_counted() {
        let script = vec![
            (Ring::Decisions, record_bytes(1)),
            (Ring::Decisions, vec![1, 2, 3]),
            (Ring::Activity, record_bytes(2)),
        ];
        let (thread, mut receiver) = start(Scripted(script)).unwrap();
        let batch = receiver.blocking_recv().unwrap();
        assert_eq!(batch.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(thread.counts.undecodable.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn activity_is_dropped_and_counted_when_nobody_takes_it() {
        let records = BATCH_RECORDS * (WAITING_BATCHES + 2);
        let script = (0..records).map(|_| (Ring::Activity, record_bytes(1))).collect();
        let (thread, mut receiver) = start(Scripted(script)).unwrap();
        while thread.counts.rounds.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(thread.counts.dropped.load(Ordering::Relaxed), 2 * BATCH_RECORDS as u64);
        assert!(receiver.try_recv().is_ok());
    }
}
