//! The ledger in memory: what is spent and reserved, and which of it is not on the disk yet. Knows nothing of disks,
//! clocks or threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aa_store::{Batch, Entry};
use serde::{Deserialize, Serialize};

use crate::amount::quarter_of;
use crate::{Account, Amount, Cap, LedgerError, Span, Use};

/// Quarters of an hour in 32 days: longer than any window of a policy.
pub(crate) const KEPT_QUARTERS: u64 = 32 * 24 * 4;

/// An open reservation. It stays open until it is settled, or the ledger is opened anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReservationId(u64);

impl fmt::Display for ReservationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What an entry of the store is about; as JSON its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    /// What a policy's agents spent in a quarter of an hour: an [`Amount`].
    Quarter(String, u64),
    /// What a session of a policy spent: a [`SessionSpent`].
    Session(String, u64),
    /// What is reserved: a [`Reserved`].
    Reservation(ReservationId),
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionSpent {
    spent: Amount,
    /// When something was last added.
    quarter: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserved {
    policy: String,
    session: u64,
    quarter: u64,
    amount: Amount,
}

/// All that is spent under one policy.
#[derive(Debug, Default)]
struct Spent {
    quarters: BTreeMap<u64, Amount>,
    sessions: BTreeMap<u64, SessionSpent>,
}

/// How a reservation was before it was made or raised.
#[derive(Debug)]
pub(crate) struct Undo {
    id: ReservationId,
    before: Option<Reserved>,
}

impl Undo {
    pub(crate) fn id(&self) -> ReservationId {
        self.id
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Book {
    policies: BTreeMap<String, Spent>,
    reservations: BTreeMap<ReservationId, Reserved>,
    last: u64,
    /// The newest quarter that it was given.
    newest: u64,
    /// Changed since they were written.
    dirty: BTreeSet<Key>,
    /// Written since the store was last synced.
    unsynced: BTreeSet<Key>,
}

impl Book {
    /// From what the store holds; `None` if an entry is none of ours.
    pub(crate) fn read(entries: &[Entry]) -> Option<Self> {
        let mut book = Self::default();
        for (key, value) in entries {
            book.read_entry(key, value).ok()?;
        }
        Some(book)
    }

    fn read_entry(&mut self, key: &[u8], value: &[u8]) -> serde_json::Result<()> {
        match serde_json::from_slice(key)? {
            Key::Quarter(policy, quarter) => {
                let amount = serde_json::from_slice(value)?;
                self.newest = self.newest.max(quarter);
                self.policies
                    .entry(policy)
                    .or_default()
                    .quarters
                    .insert(quarter, amount);
            }
            Key::Session(policy, session) => {
                let spent = serde_json::from_slice(value)?;
                self.policies.entry(policy).or_default().sessions.insert(session, spent);
            }
            Key::Reservation(id) => {
                let reserved: Reserved = serde_json::from_slice(value)?;
                self.newest = self.newest.max(reserved.quarter);
                self.last = self.last.max(id.0);
                self.reservations.insert(id, reserved);
            }
        }
        Ok(())
    }

    /// Charges all open reservations as they are; how many.
    pub(crate) fn charge_open(&mut self) -> usize {
        let open = std::mem::take(&mut self.reservations);
        for (id, reserved) in &open {
            let account = Account {
                policy: &reserved.policy,
                session: reserved.session,
            };
            self.charge(&account, reserved.amount, reserved.quarter);
            self.dirty.insert(Key::Reservation(*id));
        }
        open.len()
    }

    pub(crate) fn used(&self, account: &Account<'_>, cap: &Cap) -> Use {
        let spent = self.policies.get(account.policy);
        let spent = match cap.span {
            Span::Session => spent
                .and_then(|spent| spent.sessions.get(&account.session))
                .map_or(0, |session| session.spent.of(cap.unit)),
            Span::Since(time) => spent.map_or(0, |spent| {
                let counted = spent.quarters.range(quarter_of(time)..);
                counted.fold(0, |sum: u64, (_, amount)| sum.saturating_add(amount.of(cap.unit)))
            }),
        };
        // A reservation counts in every window, whenever it was made: it is charged when its call ends.
        let counts = |reserved: &&Reserved| {
            reserved.policy == account.policy && (cap.span != Span::Session || reserved.session == account.session)
        };
        let reserved = self.reservations.values().filter(counts);
        let reserved = reserved.fold(0, |sum: u64, one| sum.saturating_add(one.amount.of(cap.unit)));
        Use { spent, reserved }
    }

    /// The first cap without room for more.
    pub(crate) fn full(&self, account: &Account<'_>, caps: &[Cap], more: Amount) -> Option<(usize, Use)> {
        let uses = caps.iter().map(|cap| (cap, self.used(account, cap)));
        uses.enumerate()
            .find(|(_, (cap, used))| !used.leaves_room(more.of(cap.unit), cap.most))
            .map(|(index, (_, used))| (index, used))
    }

    /// Makes a reservation, or raises one.
    pub(crate) fn reserve(
        &mut self,
        account: &Account<'_>,
        more: Amount,
        quarter: u64,
        onto: Option<ReservationId>,
    ) -> Undo {
        let id = onto.unwrap_or_else(|| {
            self.last = self.last.wrapping_add(1);
            ReservationId(self.last)
        });
        let before = self.reservations.get(&id).cloned();
        let reserved = self.reservations.entry(id).or_insert_with(|| Reserved {
            policy: account.policy.to_owned(),
            session: account.session,
            quarter,
            amount: Amount::default(),
        });
        reserved.amount = reserved.amount.plus(more);
        self.dirty.insert(Key::Reservation(id));
        Undo { id, before }
    }

    pub(crate) fn is_open(&self, id: ReservationId, account: &Account<'_>) -> bool {
        let reserved = self.reservations.get(&id);
        reserved.is_some_and(|one| one.policy == account.policy && one.session == account.session)
    }

    /// Takes reservations back, the last first. One that was settled meanwhile stays settled.
    pub(crate) fn undo(&mut self, undos: Vec<Undo>) {
        for Undo { id, before } in undos.into_iter().rev() {
            if let Some(reserved) = self.reservations.get_mut(&id) {
                match before {
                    Some(before) => *reserved = before,
                    None => drop(self.reservations.remove(&id)),
                }
                self.dirty.insert(Key::Reservation(id));
            }
        }
    }

    /// Charges what was used in a reservation's place; not a second time.
    pub(crate) fn settle(&mut self, id: ReservationId, used: Amount, quarter: u64) {
        if let Some(reserved) = self.reservations.remove(&id) {
            let account = Account {
                policy: &reserved.policy,
                session: reserved.session,
            };
            self.charge(&account, used, quarter);
            self.dirty.insert(Key::Reservation(id));
        }
    }

    pub(crate) fn charge(&mut self, account: &Account<'_>, used: Amount, quarter: u64) {
        let spent = self.policies.entry(account.policy.to_owned()).or_default();
        let total = spent.quarters.entry(quarter).or_default();
        *total = total.plus(used);
        let session = spent.sessions.entry(account.session).or_default();
        session.spent = session.spent.plus(used);
        session.quarter = session.quarter.max(quarter);
        self.dirty.insert(Key::Quarter(account.policy.to_owned(), quarter));
        self.dirty
            .insert(Key::Session(account.policy.to_owned(), account.session));
    }

    /// Drops what is too old, if this quarter is newer than all before.
    pub(crate) fn advance(&mut self, quarter: u64) {
        if quarter <= self.newest {
            return;
        }
        self.newest = quarter;
        let oldest = quarter.saturating_sub(KEPT_QUARTERS);
        for (policy, spent) in &mut self.policies {
            let kept = spent.quarters.split_off(&oldest);
            for quarter in std::mem::replace(&mut spent.quarters, kept).into_keys() {
                self.dirty.insert(Key::Quarter(policy.clone(), quarter));
            }
            let dirty = &mut self.dirty;
            spent.sessions.retain(|session, spent| {
                let keep = spent.quarter >= oldest;
                if !keep {
                    dirty.insert(Key::Session(policy.clone(), *session));
                }
                keep
            });
        }
        self.policies
            .retain(|_, spent| !spent.quarters.is_empty() || !spent.sessions.is_empty());
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What has to be written. If that or the sync behind it fails, see [`Self::rewrite`].
    pub(crate) fn drain(&mut self) -> Result<Batch, LedgerError> {
        let encoded = self.dirty.iter().map(|key| self.encode(key)).collect::<Result<_, _>>();
        self.unsynced.append(&mut self.dirty);
        encoded.map_err(|_| LedgerError::Encode)
    }

    fn encode(&self, key: &Key) -> serde_json::Result<(Vec<u8>, Option<Vec<u8>>)> {
        let value = match key {
            Key::Quarter(policy, quarter) => {
                let spent = self.policies.get(policy);
                let amount = spent.and_then(|spent| spent.quarters.get(quarter));
                amount.map(serde_json::to_vec)
            }
            Key::Session(policy, session) => {
                let spent = self.policies.get(policy);
                let session = spent.and_then(|spent| spent.sessions.get(session));
                session.map(serde_json::to_vec)
            }
            Key::Reservation(id) => self.reservations.get(id).map(serde_json::to_vec),
        };
        Ok((serde_json::to_vec(key)?, value.transpose()?))
    }

    /// All that was written is on the disk.
    pub(crate) fn synced(&mut self) {
        self.unsynced.clear();
    }

    /// Nobody knows what of the writes since the last sync is in the store: they are due again.
    pub(crate) fn rewrite(&mut self) {
        self.dirty.append(&mut self.unsynced);
    }
}
