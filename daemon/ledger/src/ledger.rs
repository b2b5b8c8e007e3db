//! One ledger for all threads: checks under one lock, writes outside of it, one sync for all who wait.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use aa_store::{Entry, SledStore, Store};

use crate::amount::quarter_of;
use crate::book::{Book, Undo};
use crate::{Account, Amount, Cap, LedgerError, Refusal, ReservationId, Use};

/// See the crate.
#[derive(Debug)]
pub struct Ledger {
    store: Box<dyn Store>,
    state: Mutex<State>,
    /// Whether a thread is writing: only that one uses the store. May be locked before `state`, never after.
    writing: Mutex<bool>,
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    /// Those who wait for the next sync.
    waiting: Waiting,
    failing: Option<LedgerError>,
}

#[derive(Debug, Default)]
struct Waiting {
    undos: Vec<Undo>,
    outcome: Arc<OnceLock<Result<(), LedgerError>>>,
}

impl Ledger {
    /// Opens the ledger in a directory, or makes one. The number is that of reservations which a process left open that
    /// died: they have been charged as they were.
    ///
    /// A database that is damaged or older than it once was is an error, see the store's notes on what is noticed.
    pub fn open(directory: &Path) -> Result<(Self, usize), LedgerError> {
        let (store, entries) = SledStore::open(directory)?;
        Self::with_store(Box::new(store), &entries, directory)
    }

    pub(crate) fn with_store(
        store: Box<dyn Store>,
        entries: &[Entry],
        directory: &Path,
    ) -> Result<(Self, usize), LedgerError> {
        let mut book = Book::read(entries).ok_or_else(|| LedgerError::damaged(directory, "an entry cannot be read"))?;
        let charged = book.charge_open();
        let ledger = Self {
            store,
            state: Mutex::new(State {
                book,
                ..State::default()
            }),
            writing: Mutex::new(false),
            written: Condvar::new(),
        };
        if charged > 0 {
            let outcome = Arc::clone(&lock(&ledger.state).waiting.outcome);
            ledger.wait_for(&outcome)?;
        }
        Ok((ledger, charged))
    }

    /// Reserves `more` in the account if every cap has room for it, and returns once that is on the disk. With `onto`
    /// it raises an open reservation of this account instead, which is left as it was if that is refused.
    ///
    /// Several caps may be of one limit, for several readings of the clock.
    pub fn reserve(
        &self,
        account: &Account<'_>,
        caps: &[Cap],
        more: Amount,
        now: SystemTime,
        onto: Option<ReservationId>,
    ) -> Result<ReservationId, Refusal> {
        let quarter = quarter_of(now);
        let (id, outcome) = {
            let mut state = lock(&self.state);
            state.book.advance(quarter);
            if let Some(id) = onto.filter(|id| !state.book.is_open(*id, account)) {
                return Err(Refusal::Failing(LedgerError::NotOpen(id)));
            }
            if let Some((cap, used)) = state.book.full(account, caps, more) {
                return Err(Refusal::Full { cap, used });
            }
            let undo = state.book.reserve(account, more, quarter, onto);
            let id = undo.id();
            state.waiting.undos.push(undo);
            (id, Arc::clone(&state.waiting.outcome))
        };
        self.wait_for(&outcome).map_err(Refusal::Failing)?;
        Ok(id)
    }

    /// What a call really used: the reservation goes and this is charged to the quarter of an hour of `now`, whether it
    /// is less or more. Does nothing if the reservation is settled already.
    ///
    /// It does not wait for the disk. What is lost with the process or the power leaves the reservation, which is
    /// charged as it was when the ledger is opened again.
    pub fn settle(&self, id: ReservationId, used: Amount, now: SystemTime) {
        let quarter = quarter_of(now);
        {
            let book = &mut lock(&self.state).book;
            book.advance(quarter);
            book.settle(id, used, quarter);
        }
        self.write_behind();
    }

    /// Charges what nothing was reserved for. Does not wait for the disk either: a crash in the next half second may
    /// lose it.
    pub fn charge(&self, account: &Account<'_>, used: Amount, now: SystemTime) {
        let quarter = quarter_of(now);
        {
            let book = &mut lock(&self.state).book;
            book.advance(quarter);
            book.charge(account, used, quarter);
        }
        self.write_behind();
    }

    /// How much of a cap's unit is used in its span. The session matters only to a session's cap.
    pub fn used(&self, account: &Account<'_>, cap: &Cap) -> Use {
        lock(&self.state).book.used(account, cap)
    }

    /// Why the last write failed. Until one reaches the disk nothing is reserved, and each call tries again.
    pub fn failing(&self) -> Option<String> {
        lock(&self.state).failing.as_ref().map(LedgerError::chain)
    }

    /// Waits until those who wait together know, and is the one who writes for them if nobody does.
    fn wait_for(&self, outcome: &OnceLock<Result<(), LedgerError>>) -> Result<(), LedgerError> {
        let mut writing = lock(&self.writing);
        loop {
            if let Some(result) = outcome.get() {
                return result.clone();
            }
            if *writing {
                writing = self.written.wait(writing).unwrap_or_else(PoisonError::into_inner);
            } else {
                *writing = true;
                drop(writing);
                let worked = self.write_for_all();
                self.done();
                if worked {
                    self.write_behind();
                }
                writing = lock(&self.writing);
            }
        }
    }

    /// Hands on to the store what nobody waits for. If somebody does, or writes at the moment, that thread takes this
    /// along: it comes by here when it is done.
    fn write_behind(&self) {
        loop {
            let mut writing = lock(&self.writing);
            let failing = {
                let state = lock(&self.state);
                if *writing || !state.book.is_dirty() || !state.waiting.undos.is_empty() {
                    return;
                }
                state.failing.is_some()
            };
            *writing = true;
            drop(writing);
            // Only a sync shows whether the store works again.
            let worked = if failing { self.write_for_all() } else { self.write() };
            self.done();
            if !worked {
                return;
            }
        }
    }

    /// Writes all that changed; whether that worked.
    fn write(&self) -> bool {
        let batch = lock(&self.state).book.drain();
        let result = batch.and_then(|batch| Ok(self.store.write(&batch)?));
        let failed = result.map_err(|error| lock(&self.state).fail(&error, Waiting::default()));
        failed.is_ok()
    }

    fn done(&self) {
        *lock(&self.writing) = false;
        self.written.notify_all();
    }

    /// Writes all that changed and syncs it; whether that worked. Those who begin to wait meanwhile are the next ones.
    fn write_for_all(&self) -> bool {
        let (batch, waiting) = {
            let mut state = lock(&self.state);
            (state.book.drain(), std::mem::take(&mut state.waiting))
        };
        let result = batch
            .and_then(|batch| Ok(self.store.write(&batch)?))
            .and_then(|()| Ok(self.store.sync()?));
        let mut state = lock(&self.state);
        let worked = result.is_ok();
        match result {
            Ok(()) => {
                state.book.synced();
                state.failing = None;
                waiting.tell(Ok(()));
            }
            Err(error) => state.fail(&error, waiting),
        }
        worked
    }
}

impl State {
    /// Takes back what was to be written, and what was reserved behind it: that may be a raise of the same reservation.
    fn fail(&mut self, error: &LedgerError, waiting: Waiting) {
        for mut refused in [std::mem::take(&mut self.waiting), waiting] {
            self.book.undo(std::mem::take(&mut refused.undos));
            refused.tell(Err(error.clone()));
        }
        self.book.rewrite();
        self.failing = Some(error.clone());
    }
}

impl Waiting {
    /// They look when the writer is done.
    fn tell(self, result: Result<(), LedgerError>) {
        // Told once: whoever tells has taken it out of the state.
        drop(self.outcome.set(result));
    }
}

/// A thread that panicked under a lock left nothing half done that the next one could not go on from.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
