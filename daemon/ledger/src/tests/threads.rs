//! Many threads that spend at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use super::*;

/// Xorshift: enough to be random with.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Reserves, raises some, and settles at most that much, until a cap was full for a while or the calls are made.
fn spend(ledger: &Ledger, account: &Account<'_>, caps: &[Cap], seed: u64) -> u64 {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut settled = 0;
    for _ in 0..40 {
        let mut reserved = 1 + random.below(1000);
        let Ok(id) = ledger.reserve(account, caps, dollars(reserved), noon(), None) else {
            continue;
        };
        let more = random.below(1000);
        if more > 500 && ledger.reserve(account, caps, dollars(more), noon(), Some(id)).is_ok() {
            reserved += more;
        }
        let used = random.below(reserved + 1);
        ledger.settle(id, dollars(used), noon());
        settled += used;
    }
    settled
}

#[test]
fn threads_that_spend_at_random_never_exceed_a_cap() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(directory.path()).unwrap();
    let all = cap(Span::Since(noon()), 300_000);
    let tokens = Cap {
        unit: SpendUnit::Tokens,
        ..cap(Span::Since(noon()), 580_000)
    };
    let session = cap(Span::Session, 50_000);
    let caps = [all, session, tokens];
    let (settled, done, seen) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let spenders: Vec<_> = (0..64)
            .map(|number| {
                let (ledger, settled) = (&ledger, &settled);
                scope.spawn(move || {
                    let account = Account {
                        session: number % 10,
                        ..ACCOUNT
                    };
                    settled.fetch_add(spend(ledger, &account, &caps, number + 1), Ordering::Relaxed);
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for session in 0..10 {
                    for cap in &caps {
                        let used = ledger.used(&Account { session, ..ACCOUNT }, cap);
                        assert!(used.spent + used.reserved <= cap.most, "{used:?} of {cap:?}");
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                }
                thread::yield_now();
            }
        });
        let ended = spenders.into_iter().flat_map(thread::ScopedJoinHandle::join).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(ended, 64);
    });
    assert!(seen.into_inner() > 100);
    let spent = Use {
        spent: settled.into_inner(),
        reserved: 0,
    };
    assert_eq!(ledger.used(&ACCOUNT, &all), spent);
    assert!(spent.spent > 250_000, "the cap was not near: {spent:?}");
    drop(ledger);
    let (ledger, charged) = Ledger::open(directory.path()).unwrap();
    assert_eq!((ledger.used(&ACCOUNT, &all), charged), (spent, 0));
}

#[test]
fn threads_fill_a_cap_to_the_last_micro_dollar_and_not_beyond() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(directory.path()).unwrap();
    let all = cap(Span::Since(noon()), 1000);
    let reserved = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let one = ledger.reserve(&ACCOUNT, &[all], dollars(1), noon(), None);
                    reserved.fetch_add(u64::from(one.is_ok()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(reserved.into_inner(), 1000);
    assert_eq!(ledger.used(&ACCOUNT, &all).reserved, 1000);
}

#[test]
fn threads_that_wait_for_a_failing_store_are_all_refused_and_leave_nothing() {
    let memory = Memory::default();
    let (ledger, _) = memory.ledger();
    let all = cap(Span::Since(noon()), u64::MAX);
    let kept = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..200 {
                    if ledger.reserve(&ACCOUNT, &[all], dollars(1), noon(), None).is_ok() {
                        kept.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut random = Random(5);
        for _ in 0..300 {
            let mut state = memory.0.lock().unwrap();
            (state.fail_write, state.fail_sync) = (random.below(3) == 0, random.below(3) == 0);
            drop(state);
            thread::yield_now();
        }
        let mut state = memory.0.lock().unwrap();
        (state.fail_write, state.fail_sync) = (false, false);
    });
    let kept = kept.into_inner();
    assert_eq!(
        ledger.used(&ACCOUNT, &all),
        Use {
            spent: 0,
            reserved: kept
        }
    );
    drop(ledger);
    assert_eq!(memory.ledger().1 as u64, kept);
}

/// Its syncs begin and end when somebody comes to the gate.
#[derive(Debug)]
struct Gated(Memory, Arc<Barrier>);

impl Store for Gated {
    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.0.write(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.1.wait();
        self.1.wait();
        self.0.sync()
    }

    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        self.0.entries()
    }
}

#[test]
fn a_raise_behind_one_that_fails_is_refused_as_well() {
    let (memory, gate) = (Memory::default(), Arc::new(Barrier::new(2)));
    let store = Gated(memory.clone(), Arc::clone(&gate));
    let (ledger, _) = Ledger::with_store(Box::new(store), &[], Path::new("/memory")).unwrap();
    let all = cap(Span::Since(noon()), u64::MAX);
    let reserve = |more, onto| ledger.reserve(&ACCOUNT, &[all], dollars(more), noon(), onto);
    let reserved = || ledger.used(&ACCOUNT, &all).reserved;
    thread::scope(|scope| {
        let first = scope.spawn(|| reserve(100, None));
        gate.wait();
        gate.wait();
        let id = first.join().unwrap().unwrap();
        let raise = scope.spawn(move || reserve(10, Some(id)));
        gate.wait();
        let behind = scope.spawn(move || reserve(5, Some(id)));
        while reserved() < 115 {
            thread::yield_now();
        }
        memory.0.lock().unwrap().fail_sync = true;
        gate.wait();
        assert!(matches!(raise.join().unwrap(), Err(Refusal::Failing(_))));
        assert!(matches!(behind.join().unwrap(), Err(Refusal::Failing(_))));
        assert_eq!(reserved(), 100);
    });
}

/// `cargo test --release -p aa-ledger -- --ignored --nocapture speed`
#[test]
#[ignore = "measures, and asserts nothing"]
fn speed() {
    for threads in [1, 8, 64] {
        let directory = tempfile::tempdir_in(".").unwrap();
        let before = resident_kib();
        let (ledger, _) = Ledger::open(directory.path()).unwrap();
        let opened = resident_kib();
        for quarter in 0..2976 {
            ledger.charge(&ACCOUNT, dollars(1), noon() - quarter * 15 * MINUTE);
        }
        let month = cap(Span::Since(noon() - 2976 * 15 * MINUTE), u64::MAX);
        let calls = AtomicU64::new(0);
        let begin = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while begin.elapsed() < Duration::from_secs(3) {
                        let caps = [month, cap(Span::Session, u64::MAX)];
                        let id = ledger.reserve(&ACCOUNT, &caps, dollars(9), noon(), None).unwrap();
                        ledger.settle(id, dollars(4), noon());
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        println!(
            "{threads} threads: {} reserve+settle per second; resident KiB: {before} before, {opened} opened, {} after",
            calls.into_inner() / 3,
            resident_kib()
        );
    }
}

fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap().trim().to_owned()
}
