//! The ring thread: reads the kernel's rings, decodes, hands over a batch, and gives the room back to the kernel once
//! the batch is in the audit log.
//!
//! One batch is under way at a time. Until it is recorded its records stay in the ring, so that a gateway that dies
//! loses nothing: its successor reads them again ([`crate::holes`] tells which were recorded). What the rings cannot
//! hold meanwhile the kernel counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use aa_bpf::record::{Record, RingName, Undecodable, decode};
use aa_bpf::ring;
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

/// Records of one ring in one batch.
const BATCH_RECORDS: usize = 1024;
/// How long the thread sleeps at most, to notice that it is to end.
const POLL: Duration = Duration::from_millis(250);

/// Where records come from; the kernel's rings, or a test.
pub(crate) trait RecordSource: Send + 'static {
    /// Gives records that were not given before, at most `limit` of each ring.
    fn read(&mut self, limit: usize, each: &mut dyn FnMut(RingName, &[u8]));
    /// What was given is recorded.
    fn release(&mut self);
    /// Waits until there may be more.
    fn wait(&mut self, timeout: Duration) -> std::io::Result<()>;
}

/// The kernel's rings whose records go into the log each: decisions, activity.
pub(crate) type KernelRings = [ring::Ring; 2];

const NAMES: [RingName; 2] = [RingName::Decisions, RingName::Activity];

impl RecordSource for KernelRings {
    fn read(&mut self, limit: usize, each: &mut dyn FnMut(RingName, &[u8])) {
        for (ring, name) in self.iter_mut().zip(NAMES) {
            ring.read(limit, |bytes| each(name, bytes));
        }
    }

    fn release(&mut self) {
        for ring in self {
            ring.release();
        }
    }

    fn wait(&mut self, timeout: Duration) -> std::io::Result<()> {
        ring::wait(self, timeout)
    }
}

/// Records that are under way; until it is settled the kernel keeps them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    settled: SyncSender<()>,
}

impl Batch {
    /// The records and what to call when they are in the log. Dropping that instead leaves them to a successor.
    pub(crate) fn into_parts(self) -> (Vec<Record>, impl FnOnce()) {
        let settled = self.settled;
        (self.records, move || {
            // The ring thread waits for it, unless it has ended.
            let _ = settled.send(());
        })
    }
}

/// What the thread counted.
#[derive(Debug, Default)]
pub(crate) struct RingCounts {
    pub(crate) decisions: AtomicU64,
    pub(crate) activity: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    /// Records read and not yet in the log.
    pub(crate) under_way: AtomicU64,
}

/// The thread's handle. Dropping it has the thread end and waits for nothing: who drops it may be the one who settles.
pub(crate) struct RingThread {
    pub(crate) counts: Arc<RingCounts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread.
pub(crate) fn start(source: impl RecordSource) -> std::io::Result<(RingThread, mpsc::Receiver<Batch>)> {
    let (sender, receiver) = mpsc::channel(1);
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

impl RingThread {
    /// Ends the thread once what is under way is settled or given up.
    pub(crate) async fn stop(self) -> Result<(), JoinError> {
        spawn_blocking(move || self.join()).await
    }

    fn join(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ring thread ended in a panic");
        }
    }
}

impl Drop for RingThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Drain<S> {
    source: S,
    sender: mpsc::Sender<Batch>,
    counts: Arc<RingCounts>,
    stop: Arc<AtomicBool>,
}

impl<S: RecordSource> Drain<S> {
    fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let records = self.read();
            let idle = records.is_empty();
            if !idle && !self.hand_over(records) {
                return;
            }
            self.source.release();
            self.counts.under_way.store(0, Ordering::Release);
            if idle && let Err(error) = self.source.wait(POLL) {
                tracing::error!(%error, "cannot wait for the kernel's rings");
                std::thread::sleep(POLL);
            }
        }
    }

    fn read(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        let counts = &self.counts;
        self.source
            .read(BATCH_RECORDS, &mut |ring, bytes| match decode(ring, bytes) {
                Ok(record) => {
                    let count = match ring {
                        RingName::Decisions => &counts.decisions,
                        RingName::Activity | RingName::Plaintext => &counts.activity,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    counts.under_way.fetch_add(1, Ordering::Relaxed);
                    records.push(record);
                }
                Err(Undecodable) => drop(counts.undecodable.fetch_add(1, Ordering::Relaxed)),
            });
        records
    }

    /// Waits until the records are in the log; false if they never will be, because the pipeline has ended.
    fn hand_over(&self, records: Vec<Record>) -> bool {
        let (settled, settlement): (_, Receiver<()>) = sync_channel(1);
        self.sender.blocking_send(Batch { records, settled }).is_ok() && settlement.recv().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aa_bpf::record::testing::record_bytes;

    use super::*;

    /// What was read and what was released, in order.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<&'static str>>>);

    struct Scripted {
        script: Vec<(RingName, Vec<u8>)>,
        log: Log,
    }

    impl RecordSource for Scripted {
        fn read(&mut self, _: usize, each: &mut dyn FnMut(RingName, &[u8])) {
            for (ring, bytes) in self.script.drain(..) {
                each(ring, &bytes);
                self.log.0.lock().unwrap().push("read");
            }
        }

        fn release(&mut self) {
            self.log.0.lock().unwrap().push("released");
        }

        fn wait(&mut self, _: Duration) -> std::io::Result<()> {
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        }
    }

    fn scripted() -> (RingThread, mpsc::Receiver<Batch>, Log) {
        let script = vec![
            (RingName::Decisions, record_bytes(1)),
            (RingName::Decisions, vec![1, 2, 3]),
            (RingName::Activity, record_bytes(2)),
        ];
        let log = Log::default();
        let source = Scripted {
            script,
            log: log.clone(),
        };
        let (thread, receiver) = start(source).unwrap();
        (thread, receiver, log)
    }

    #[test]
    fn records_arrive_and_what_is_none_is_counted() {
        let (thread, mut receiver, _) = scripted();
        let (records, settle) = receiver.blocking_recv().unwrap().into_parts();
        assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(thread.counts.undecodable.load(Ordering::Relaxed), 1);
        settle();
    }

    #[test]
    fn the_handle_is_dropped_while_the_kernel_waits_for_the_one_who_drops_it() {
        let (thread, mut receiver, log) = scripted();
        let (_, settle) = receiver.blocking_recv().unwrap().into_parts();
        drop(thread);
        settle();
        assert!(receiver.blocking_recv().is_none(), "the thread ends");
        assert_eq!(log.0.lock().unwrap()[3], "released");
    }

    #[test]
    fn the_kernel_keeps_records_until_they_are_settled() {
        let (thread, mut receiver, log) = scripted();
        let (_, settle) = receiver.blocking_recv().unwrap().into_parts();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(*log.0.lock().unwrap(), ["read"; 3]);
        settle();
        thread.join();
        assert_eq!(log.0.lock().unwrap()[3], "released");
    }

    #[test]
    fn what_is_given_up_is_never_released() {
        let (thread, mut receiver, log) = scripted();
        drop(receiver.blocking_recv().unwrap());
        thread.join();
        assert_eq!(*log.0.lock().unwrap(), ["read"; 3]);
    }
}
