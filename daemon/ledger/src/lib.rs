//! The ledger: what agents have spent, reserved before a call and settled after it, durable in between.
//!
//! [`Ledger::reserve`] takes room under all caps or under none, and returns only when that is on the disk; so neither a
//! crash nor a power cut gives a budget back. [`Ledger::settle`] puts what was really used in its place, and may be
//! lost: then the reservation is charged as it was. Reservations that are open when a ledger is opened belong to a
//! process that died, and are charged as well.
//!
//! Everything is in memory ([`book`]) and written through to the store ([`aa_store`]): whoever finds nobody writing writes for all
//! that wait (group commit), and no lock that a check needs is held meanwhile.
//!
//! Spending is kept in quarters of an hour for 32 days before the newest time that the ledger was given. A clock that
//! leaps further ahead than that therefore empties it; one that is set back does not.

mod amount;
mod book;
mod error;
mod ledger;

pub use amount::{Account, Amount, Cap, Span, Use};
pub use book::ReservationId;
pub use error::{LedgerError, Refusal};
pub use ledger::Ledger;

#[cfg(test)]
mod tests;
