//! On the disk, in a store that fails, and against a model.

mod damage;
mod killed;
mod model;
mod threads;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aa_policy::SpendUnit;
use aa_store::{Batch, Entry, Store, StoreError};

use crate::book::KEPT_QUARTERS;
use crate::{Account, Amount, Cap, Ledger, LedgerError, Refusal, Span, Use};

const ACCOUNT: Account<'_> = Account {
    policy: "coder",
    session: 7,
};
const OTHER_SESSION: Account<'_> = Account {
    policy: "coder",
    session: 8,
};
const MINUTE: Duration = Duration::from_secs(60);

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn dollars(micro_dollars: u64) -> Amount {
    Amount {
        micro_dollars,
        tokens: 2 * micro_dollars,
        calls: 1,
    }
}

fn cap(span: Span, most: u64) -> Cap {
    Cap {
        span,
        unit: SpendUnit::MicroDollars,
        most,
    }
}

fn spent_since(ledger: &Ledger, time: SystemTime) -> u64 {
    ledger.used(&ACCOUNT, &cap(Span::Since(time), 0)).spent
}

/// A store in memory that can be told to fail.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<MemoryState>>);

#[derive(Debug, Default)]
struct MemoryState {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    on_disk: BTreeMap<Vec<u8>, Vec<u8>>,
    fail_write: bool,
    fail_sync: bool,
}

impl Memory {
    fn ledger(&self) -> (Ledger, usize) {
        let entries: Vec<Entry> = self.0.lock().unwrap().entries.clone().into_iter().collect();
        Ledger::with_store(Box::new(self.clone()), &entries, Path::new("/memory")).unwrap()
    }
}

fn failed() -> StoreError {
    StoreError::Damaged {
        directory: "/memory".into(),
        what: "it was told to fail".to_owned(),
    }
}

impl Store for Memory {
    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap();
        if state.fail_write {
            return Err(failed());
        }
        for (key, value) in batch {
            match value {
                Some(value) => drop(state.entries.insert(key.clone(), value.clone())),
                None => drop(state.entries.remove(key)),
            }
        }
        Ok(())
    }

    /// What fails to sync is gone, as it is when a database is opened again.
    fn sync(&self) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap();
        if state.fail_sync {
            state.entries = state.on_disk.clone();
            return Err(failed());
        }
        state.on_disk = state.entries.clone();
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(self.0.lock().unwrap().entries.clone().into_iter().collect())
    }
}

#[test]
fn what_was_spent_and_reserved_outlives_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, charged) = Ledger::open(directory.path()).unwrap();
    assert_eq!(charged, 0);
    let settled = ledger.reserve(&ACCOUNT, &[], dollars(500), noon(), None).unwrap();
    ledger.reserve(&ACCOUNT, &[], dollars(70), noon(), None).unwrap();
    ledger.settle(settled, dollars(200), noon());
    ledger.settle(settled, dollars(200), noon());
    ledger.charge(&OTHER_SESSION, dollars(3), noon());
    let all = cap(Span::Since(noon()), 0);
    assert_eq!(
        ledger.used(&ACCOUNT, &all),
        Use {
            spent: 203,
            reserved: 70
        }
    );
    drop(ledger);

    let (ledger, charged) = Ledger::open(directory.path()).unwrap();
    assert_eq!(charged, 1);
    assert_eq!(
        ledger.used(&ACCOUNT, &all),
        Use {
            spent: 273,
            reserved: 0
        }
    );
    let tokens = Cap {
        unit: SpendUnit::Tokens,
        ..all
    };
    assert_eq!(ledger.used(&ACCOUNT, &tokens).spent, 546);
    let calls = Cap {
        unit: SpendUnit::Calls,
        ..all
    };
    assert_eq!(ledger.used(&ACCOUNT, &calls).spent, 3);
    assert_eq!(ledger.used(&ACCOUNT, &cap(Span::Session, 0)).spent, 270);
    drop(ledger);
    assert_eq!(Ledger::open(directory.path()).unwrap().1, 0, "charged once only");
}

#[test]
fn a_second_ledger_in_the_same_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Ledger::open(directory.path()).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(error.chain().contains("lock"), "{}", error.chain());
}

#[test]
fn a_reservation_takes_room_under_every_cap_or_under_none() {
    let (ledger, _) = Memory::default().ledger();
    let caps = [cap(Span::Since(noon()), 1000), cap(Span::Session, 100)];
    let id = ledger.reserve(&ACCOUNT, &caps, dollars(60), noon(), None).unwrap();
    let refused = ledger.reserve(&ACCOUNT, &caps, dollars(41), noon(), None);
    let full = Use { spent: 0, reserved: 60 };
    assert!(
        matches!(refused, Err(Refusal::Full { cap: 1, used }) if used == full),
        "{refused:?}"
    );
    assert_eq!(ledger.used(&ACCOUNT, &caps[0]), full);

    let refused = ledger.reserve(&ACCOUNT, &caps, dollars(41), noon(), Some(id));
    assert!(matches!(refused, Err(Refusal::Full { cap: 1, .. })));
    assert_eq!(ledger.used(&ACCOUNT, &caps[1]), full, "a refused raise changes nothing");
    assert_eq!(
        ledger.reserve(&ACCOUNT, &caps, dollars(40), noon(), Some(id)).unwrap(),
        id
    );

    ledger.settle(id, dollars(10), noon());
    assert_eq!(ledger.used(&ACCOUNT, &caps[1]), Use { spent: 10, reserved: 0 });
    let refused = ledger.reserve(&ACCOUNT, &caps, dollars(1), noon(), Some(id));
    assert!(matches!(refused, Err(Refusal::Failing(LedgerError::NotOpen(_)))));
}

#[test]
fn only_the_account_of_a_reservation_raises_it() {
    let (ledger, _) = Memory::default().ledger();
    let id = ledger.reserve(&ACCOUNT, &[], dollars(1), noon(), None).unwrap();
    let stolen = ledger.reserve(&OTHER_SESSION, &[], dollars(1), noon(), Some(id));
    assert!(matches!(stolen, Err(Refusal::Failing(LedgerError::NotOpen(_)))));
}

#[test]
fn the_cap_of_a_session_does_not_count_others() {
    let (ledger, _) = Memory::default().ledger();
    let session = cap(Span::Session, 100);
    ledger.charge(&OTHER_SESSION, dollars(90), noon());
    ledger.reserve(&OTHER_SESSION, &[], dollars(90), noon(), None).unwrap();
    ledger
        .reserve(&ACCOUNT, &[session], dollars(100), noon(), None)
        .unwrap();
    let all = ledger.used(&ACCOUNT, &cap(Span::Since(noon()), 0));
    assert_eq!(
        all,
        Use {
            spent: 90,
            reserved: 190
        }
    );
    let stranger = Account {
        policy: "reviewer",
        ..ACCOUNT
    };
    assert_eq!(ledger.used(&stranger, &session), Use::default());
    assert_eq!(ledger.used(&stranger, &cap(Span::Since(noon()), 0)), Use::default());
}

#[test]
fn quarters_before_the_span_do_not_count_and_those_in_the_future_do() {
    let (ledger, _) = Memory::default().ledger();
    ledger.charge(&ACCOUNT, dollars(1), noon() - MINUTE);
    ledger.charge(&ACCOUNT, dollars(20), noon() + 14 * MINUTE);
    ledger.charge(&ACCOUNT, dollars(300), noon() + 1000 * MINUTE);
    assert_eq!(
        spent_since(&ledger, noon() + 14 * MINUTE),
        320,
        "the whole quarter counts"
    );
    assert_eq!(spent_since(&ledger, noon() - MINUTE), 321);
    assert_eq!(spent_since(&ledger, noon() + 15 * MINUTE), 300);
    assert_eq!(spent_since(&ledger, SystemTime::UNIX_EPOCH - MINUTE), 321);
}

#[test]
fn quarters_and_sessions_are_dropped_when_they_are_too_old() {
    let memory = Memory::default();
    let (ledger, _) = memory.ledger();
    ledger.charge(&ACCOUNT, dollars(1), noon());
    ledger.charge(&OTHER_SESSION, dollars(2), noon() + 15 * MINUTE);
    let month = u32::try_from(KEPT_QUARTERS).unwrap() * 15 * MINUTE;
    let session = cap(Span::Session, 0);

    ledger.charge(&OTHER_SESSION, dollars(4), noon() + month);
    assert_eq!(spent_since(&ledger, noon()), 7, "exactly as old as is kept");
    assert_eq!(memory.0.lock().unwrap().entries.len(), 5);

    ledger.charge(&OTHER_SESSION, dollars(8), noon() + month + 15 * MINUTE);
    assert_eq!(spent_since(&ledger, noon()), 14);
    assert_eq!(ledger.used(&ACCOUNT, &session).spent, 0);
    assert_eq!(ledger.used(&OTHER_SESSION, &session).spent, 14, "added to lately");
    assert_eq!(
        memory.0.lock().unwrap().entries.len(),
        4,
        "three quarters and a session"
    );
    drop(ledger);
    assert_eq!(spent_since(&memory.ledger().0, noon()), 14);
}

#[test]
fn a_store_that_fails_refuses_and_takes_back_until_it_works_again() {
    for sync in [false, true] {
        let memory = Memory::default();
        let fail = |failing| {
            let mut state = memory.0.lock().unwrap();
            *(if sync {
                &mut state.fail_sync
            } else {
                &mut state.fail_write
            }) = failing;
        };
        let (ledger, _) = memory.ledger();
        let caps = [cap(Span::Session, 100)];
        let id = ledger.reserve(&ACCOUNT, &caps, dollars(50), noon(), None).unwrap();
        assert_eq!(ledger.failing(), None);

        fail(true);
        for onto in [None, Some(id)] {
            let refused = ledger.reserve(&ACCOUNT, &caps, dollars(50), noon(), onto);
            assert!(
                matches!(refused, Err(Refusal::Failing(LedgerError::Store(_)))),
                "{refused:?}"
            );
            assert_eq!(ledger.used(&ACCOUNT, &caps[0]), Use { spent: 0, reserved: 50 });
            assert!(ledger.failing().is_some());
        }
        ledger.settle(id, dollars(30), noon());
        ledger.charge(&ACCOUNT, dollars(5), noon());
        assert_eq!(ledger.used(&ACCOUNT, &caps[0]), Use { spent: 35, reserved: 0 });
        let refused = ledger.reserve(&ACCOUNT, &caps, dollars(1), noon(), None);
        assert!(matches!(refused, Err(Refusal::Failing(_))));

        fail(false);
        ledger.charge(&OTHER_SESSION, dollars(0), noon());
        assert_eq!(ledger.failing(), None, "whoever comes next tries again");
        ledger.reserve(&ACCOUNT, &caps, dollars(65), noon(), None).unwrap();
        assert_eq!(ledger.failing(), None);
        drop(ledger);
        let (ledger, charged) = memory.ledger();
        assert_eq!(charged, 1);
        assert_eq!(
            spent_since(&ledger, noon()),
            100,
            "what failed was written again, and what was refused was not"
        );
    }
}

#[test]
fn amounts_saturate_and_never_wrap() {
    let memory = Memory::default();
    let (ledger, _) = memory.ledger();
    let all = Cap {
        unit: SpendUnit::Tokens,
        ..cap(Span::Since(noon()), u64::MAX)
    };
    let most = Amount {
        micro_dollars: u64::MAX,
        tokens: u64::MAX,
        calls: u64::MAX,
    };
    ledger.charge(&ACCOUNT, most, noon());
    ledger.charge(&ACCOUNT, most, noon());
    ledger.charge(&ACCOUNT, most, noon() + 15 * MINUTE);
    let id = ledger.reserve(&ACCOUNT, &[], most, noon(), None).unwrap();
    ledger.reserve(&ACCOUNT, &[], most, noon(), Some(id)).unwrap();
    ledger.reserve(&ACCOUNT, &[], most, noon(), None).unwrap();
    let full = Use {
        spent: u64::MAX,
        reserved: u64::MAX,
    };
    assert_eq!(ledger.used(&ACCOUNT, &all), full);
    let refused = ledger.reserve(&ACCOUNT, &[all], dollars(1), noon(), None);
    assert!(
        matches!(refused, Err(Refusal::Full { cap: 0, .. })),
        "no cap has room for more than there are numbers"
    );
    drop(ledger);
    assert_eq!(
        memory.ledger().0.used(&ACCOUNT, &all),
        Use {
            spent: u64::MAX,
            reserved: 0
        }
    );
    assert_eq!(dollars(1).minus(most), Amount::default());
}
