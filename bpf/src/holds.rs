//! Holding: the key of the digests, whether anybody takes answers, and the answers themselves.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};
use zerocopy::{FromBytes, IntoBytes};

use crate::abi;
use crate::clock;
use crate::load::{Kernel, LoadError};

/// Holding could not be arranged, or an answer not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// A map is missing.
    #[error(transparent)]
    Kernel(#[from] LoadError),
    /// A map refused.
    #[error("cannot use the `{map}` map")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// There is no randomness, or no clock.
    #[error("the kernel gives no {0}")]
    Source(&'static str, #[source] io::Error),
}

/// An answer for one thread and one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// As in the record of the hold.
    pub digest: [u64; 2],
    /// Start of the process, boot time.
    pub start_ns: u64,
    /// Whose.
    pub agent: u32,
    /// The thread.
    pub tid: u32,
    /// Yes or no.
    pub allow: bool,
    /// What the record of it says: a number of `AA_REASONS`.
    pub reason: u32,
}

/// The writer of the maps that hold and release; one per sensor.
#[derive(Debug)]
pub struct Holds {
    grants: MapHandle,
    holds: MapHandle,
}

const ONLY: [u8; 4] = [0; 4];

fn boot_ns() -> Result<u64, HoldError> {
    clock::boot_ns().map_err(|error| HoldError::Source("time", error))
}

impl Holds {
    /// Opens the maps of a kernel side; draws the key of the digests if it has none yet.
    pub fn new(kernel: &Kernel) -> Result<Self, HoldError> {
        let handle =
            |name| MapHandle::try_from(kernel.map(name)?).map_err(|source| HoldError::Map { map: name, source });
        let holds = Self {
            grants: handle("grants")?,
            holds: handle("holds")?,
        };
        let mut known = holds.read()?;
        if known.key == [0, 0] {
            let mut bytes = [0; 16];
            File::open("/dev/urandom")
                .and_then(|mut random| random.read_exact(&mut bytes))
                .map_err(|error| HoldError::Source("randomness", error))?;
            let (one, other) = bytes.split_at(8);
            let word = |half: &[u8]| half.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
            known.key = [word(one) | 1, word(other)];
            holds.write(&known)?;
        }
        Ok(holds)
    }

    fn read(&self) -> Result<abi::aa_hold, HoldError> {
        let found = self
            .holds
            .lookup(&ONLY, MapFlags::ANY)
            .map_err(|source| HoldError::Map { map: "holds", source })?;
        Ok(found
            .and_then(|bytes| abi::aa_hold::read_from_bytes(&bytes).ok())
            .unwrap_or_default())
    }

    fn write(&self, hold: &abi::aa_hold) -> Result<(), HoldError> {
        self.holds
            .update(&ONLY, hold.as_bytes(), MapFlags::ANY)
            .map_err(|source| HoldError::Map { map: "holds", source })
    }

    /// Says that answers are taken for so long from now on; zero: not any more, and asks come to what the policy says
    /// of that.
    pub fn attend(&self, how_long: Duration) -> Result<(), HoldError> {
        let how_long = u64::try_from(how_long.as_nanos()).unwrap_or(u64::MAX);
        let until = if how_long == 0 {
            0
        } else {
            boot_ns()?.saturating_add(how_long)
        };
        self.write(&abi::aa_hold {
            answered_until_ns: until,
            ..self.read()?
        })
    }

    /// Lays an answer where the thread finds it when it asks again. It is good for so long.
    pub fn grant(&self, grant: &Grant, good_for: Duration) -> Result<(), HoldError> {
        let good_for = u64::try_from(good_for.as_nanos()).unwrap_or(u64::MAX);
        let value = abi::aa_grant {
            expires_ns: boot_ns()?.saturating_add(good_for),
            verdict: if grant.allow { abi::AA_ALLOW } else { abi::AA_DENY },
            reason: grant.reason,
        };
        self.grants
            .update(key(grant).as_bytes(), value.as_bytes(), MapFlags::ANY)
            .map_err(|source| HoldError::Map { map: "grants", source })
    }

    /// Removes answers whose time is over; nobody came for them.
    pub fn sweep(&self) -> Result<usize, HoldError> {
        let now = boot_ns()?;
        let keys: Vec<Vec<u8>> = self.grants.keys().collect();
        let mut gone = 0;
        for key in keys {
            let found = self
                .grants
                .lookup(&key, MapFlags::ANY)
                .map_err(|source| HoldError::Map { map: "grants", source })?;
            let over = found
                .and_then(|bytes| abi::aa_grant::read_from_bytes(&bytes).ok())
                .is_some_and(|grant| grant.expires_ns <= now);
            if over {
                match self.grants.delete(&key) {
                    Ok(()) => gone += 1,
                    // Taken in between.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(source) => return Err(HoldError::Map { map: "grants", source }),
                }
            }
        }
        Ok(gone)
    }
}

fn key(grant: &Grant) -> abi::aa_grant_key {
    abi::aa_grant_key {
        digest: grant.digest,
        start_ns: grant.start_ns,
        agent: grant.agent,
        tid: grant.tid,
    }
}
