//! The keys that open others, in one page of memory that is not written to swap and is erased when it goes.

use std::collections::BTreeMap;
use std::fmt;

use region::LockGuard;
use zeroize::Zeroize;

use crate::VaultError;
use crate::crypto::{Key, derive};

/// The key that opens the masters.
const UNLOCKING: usize = 0;
/// What the tally is computed with.
const TALLYING: usize = 1;
/// The one that may unlock from now on, if a change went through of which nobody knows.
const NEXT_UNLOCKING: usize = 2;
const FIRST_MASTER: usize = 3;
const SLOTS: usize = 128;
const TALLY_PURPOSE: &[u8] = b"aa-vault: tallies all entries";
const NO_SALT: [u8; 32] = [0; 32];

#[repr(align(4096))]
struct Page([[u8; 32]; SLOTS]);

/// See the module.
pub(crate) struct Keyring {
    /// `None` with the reason beside it.
    lock: Option<LockGuard>,
    unlocked: Option<String>,
    page: Box<Page>,
    masters: BTreeMap<u32, usize>,
}

impl Keyring {
    /// With the key that opens the masters, and none of these yet.
    pub(crate) fn new(unlocking: &[u8; 32]) -> Self {
        let page = Box::new(Page([[0; 32]; SLOTS]));
        let (lock, unlocked) = match region::lock(page.0.as_ptr(), size_of::<Page>()) {
            Ok(lock) => (Some(lock), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut keyring = Self {
            lock,
            unlocked,
            page,
            masters: BTreeMap::new(),
        };
        keyring.set_unlocking(unlocking);
        keyring
    }

    /// Why the page may be written to swap.
    pub(crate) fn swappable(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    pub(crate) fn set_unlocking(&mut self, key: &[u8; 32]) {
        self.put(UNLOCKING, key);
        self.put(NEXT_UNLOCKING, &[0; 32]);
        let tallying = derive(key, &NO_SALT, TALLY_PURPOSE);
        self.put(TALLYING, &tallying);
    }

    pub(crate) fn unlocking(&self) -> &[u8; 32] {
        self.slot(UNLOCKING)
    }

    /// Either may be right until a change is known to be on the disk or not.
    pub(crate) fn set_next_unlocking(&mut self, key: &[u8; 32]) {
        self.put(NEXT_UNLOCKING, key);
    }

    pub(crate) fn next_unlocking(&self) -> &[u8; 32] {
        self.slot(NEXT_UNLOCKING)
    }

    pub(crate) fn tallying(&self) -> &[u8; 32] {
        self.slot(TALLYING)
    }

    pub(crate) fn master(&self, id: u32) -> Option<&[u8; 32]> {
        self.masters.get(&id).map(|slot| self.slot(*slot))
    }

    pub(crate) fn add_master(&mut self, id: u32, key: &Key) -> Result<(), VaultError> {
        let free = |slot: &usize| !self.masters.values().any(|taken| taken == slot);
        let taken = self.masters.get(&id).copied();
        let slot = taken.or_else(|| (FIRST_MASTER..SLOTS).find(free));
        let slot = slot.ok_or(VaultError::Internal("more masters than there is room for"))?;
        self.put(slot, key);
        self.masters.insert(id, slot);
        Ok(())
    }

    pub(crate) fn forget_master(&mut self, id: u32) {
        if let Some(slot) = self.masters.remove(&id) {
            self.put(slot, &[0; 32]);
        }
    }

    fn slot(&self, slot: usize) -> &[u8; 32] {
        // Every number that is used is below.
        self.page.0.get(slot).unwrap_or(&NO_SALT)
    }

    fn put(&mut self, slot: usize, key: &[u8; 32]) {
        if let Some(place) = self.page.0.get_mut(slot) {
            place.zeroize();
            *place = *key;
        }
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.page.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = if self.lock.is_some() { "locked" } else { "not locked" };
        write!(f, "Keyring({} masters, {held})", self.masters.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilobytes of this process that are locked.
    fn locked_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    #[test]
    fn keys_lie_in_locked_memory_and_nowhere_in_debug() {
        let before = locked_kb();
        let mut keyring = Keyring::new(&[0xab; 32]);
        keyring.add_master(1, &Key::new([0xcd; 32])).unwrap();
        assert_eq!(keyring.swappable(), None);
        assert!(locked_kb() >= before.max(4));
        assert_eq!(format!("{keyring:?}"), "Keyring(1 masters, locked)");
        assert_eq!(keyring.master(1), Some(&[0xcd; 32]));
        keyring.forget_master(1);
        assert_eq!(keyring.master(1), None);
        assert_eq!(keyring.slot(FIRST_MASTER), &[0; 32]);
    }
}
