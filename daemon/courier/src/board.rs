//! How the rules stand, for who asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aa_wire::alerts::{AlertRow, Tested};

/// Tests whose outcome nobody has heard yet.
const TESTS: usize = 64;

/// One row for each rule, and tests that are over.
#[derive(Debug, Default)]
pub struct Board {
    rows: Mutex<Vec<AlertRow>>,
    tested: Mutex<Vec<Tested>>,
}

impl Board {
    /// Puts a rule's row in its place.
    pub fn put(&self, row: AlertRow) {
        let mut rows = lock(&self.rows);
        match rows.iter_mut().find(|known| known.name == row.name) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }

    /// All rows.
    pub fn rows(&self) -> Vec<AlertRow> {
        lock(&self.rows).clone()
    }

    /// A test is over.
    pub fn test(&self, tested: Tested) {
        let mut all = lock(&self.tested);
        if all.len() < TESTS {
            all.push(tested);
        }
    }

    /// What tests are over; each is told once.
    pub fn take_tested(&self) -> Vec<Tested> {
        std::mem::take(&mut lock(&self.tested))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
