//! Names: which addresses an agent's lookups were answered with, and where the resolver is.
//!
//! The kernel reads a binding while we change it: each is written whole, by one writer, the sensor.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::abi;
use crate::clock::boot_ns;
use crate::load::{Kernel, LoadError};

/// Names could not be bound, or the resolver not named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The map refused.
    #[error("cannot write the `{map}` map")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the kernel said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// The agent has this address under as many other names as there is room for, none of them expired.
    #[error("an address has {} names already", abi::AA_BOUND_NAMES)]
    ManyNames,
    /// A map is missing.
    #[error(transparent)]
    Kernel(#[from] LoadError),
    /// The clock cannot be read.
    #[error("cannot read the clock")]
    Clock(#[source] std::io::Error),
}

/// Where the resolver answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Port of 127.0.0.1; 0: not there.
    pub port4: u16,
    /// Port of ::1; 0: not there.
    pub port6: u16,
    /// Inode number of its network namespace.
    pub network: u32,
}

/// What an address is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// Its number within the policy.
    pub number: u16,
    /// The generation of the policy.
    pub generation: u32,
}

/// The maps of names.
#[derive(Debug)]
pub struct Names {
    bindings: MapHandle,
    resolvers: MapHandle,
    askers: MapHandle,
}

const ONLY: [u8; 4] = [0; 4];

fn failed(map: &'static str) -> impl Fn(libbpf_rs::Error) -> NameError {
    move |source| NameError::Map { map, source }
}

impl Names {
    /// Opens the maps of a kernel side, fresh or adopted.
    pub fn new(kernel: &Kernel) -> Result<Self, NameError> {
        let handle = |name| MapHandle::try_from(kernel.map(name)?).map_err(failed(name));
        Ok(Self {
            bindings: handle("name_bindings")?,
            resolvers: handle("resolvers")?,
            askers: handle("askers")?,
        })
    }

    /// The table of who asks, for the resolver.
    pub fn askers(&self) -> BorrowedFd<'_> {
        self.askers.as_fd()
    }

    /// Says where lookups are sent; the default: nowhere, and they are refused.
    pub fn set_resolver(&self, place: Place) -> Result<(), NameError> {
        let value = abi::aa_resolver {
            port4: place.port4.into(),
            port6: place.port6.into(),
            network: place.network,
            pad: 0,
        };
        let written = self.resolvers.update(&ONLY, value.as_bytes(), MapFlags::ANY);
        written.map_err(failed("resolvers"))
    }

    /// Lets an agent reach an address (IPv4 as such) as a class of hosts, for so long from now on.
    pub fn bind(&self, agent: u32, address: IpAddr, class: Class, lasts: Duration) -> Result<(), NameError> {
        let now = boot_ns().map_err(NameError::Clock)?;
        let expires_ns = now.saturating_add(u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX));
        let key = key(agent, address);
        let mut binding = self.binding(key.as_bytes())?;
        add(&mut binding.bound, class, expires_ns, now)?;
        let written = self.bindings.update(key.as_bytes(), binding.as_bytes(), MapFlags::ANY);
        written.map_err(failed("name_bindings"))
    }

    fn binding(&self, key: &[u8]) -> Result<abi::aa_binding, NameError> {
        let found = self
            .bindings
            .lookup(key, MapFlags::ANY)
            .map_err(failed("name_bindings"))?;
        let known = found.and_then(|bytes| abi::aa_binding::read_from_bytes(&bytes).ok());
        Ok(known.unwrap_or_else(abi::aa_binding::new_zeroed))
    }

    /// Removes what has expired, and what belonged to agents that are gone; how many addresses.
    pub fn sweep(&self, lives: impl Fn(u32) -> bool) -> Result<usize, NameError> {
        let now = boot_ns().map_err(NameError::Clock)?;
        let mut gone = 0;
        for bytes in self.bindings.keys().collect::<Vec<_>>() {
            let of_the_living = abi::aa_binding_key::read_from_bytes(&bytes).is_ok_and(|key| lives(key.agent));
            let holds = |bound: &abi::aa_bound| bound.generation != 0 && bound.expires_ns > now;
            if of_the_living && self.binding(&bytes)?.bound.iter().any(holds) {
                continue;
            }
            match self.bindings.delete(&bytes) {
                Ok(()) => gone += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed("name_bindings")(error)),
            }
        }
        Ok(gone)
    }
}

/// Writes a class into its own place, a free one, or that of the oldest generation before its own: the one just before may be in
/// force still.
fn add(bound: &mut [abi::aa_bound], class: Class, expires_ns: u64, now: u64) -> Result<(), NameError> {
    let same = |one: &&mut abi::aa_bound| one.generation == class.generation && one.class == u32::from(class.number);
    if let Some(one) = bound.iter_mut().find(same) {
        // A shorter answer does not end what a longer one gave.
        one.expires_ns = one.expires_ns.max(expires_ns);
        return Ok(());
    }
    let rank = |one: &abi::aa_bound| if one.expires_ns <= now { 0 } else { one.generation };
    let oldest = bound.iter_mut().min_by_key(|one| rank(one));
    let place = oldest.filter(|one| rank(one) < class.generation);
    *place.ok_or(NameError::ManyNames)? = abi::aa_bound {
        class: class.number.into(),
        generation: class.generation,
        expires_ns,
    };
    Ok(())
}

fn key(agent: u32, address: IpAddr) -> abi::aa_binding_key {
    let octets = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let (first, second) = octets.split_at(8);
    let word = |half: &[u8]| u64::from_ne_bytes(half.try_into().unwrap_or_default());
    abi::aa_binding_key {
        address: [word(first), word(second)],
        agent,
        pad: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_room_the_oldest_generation_goes_and_never_one_of_now() {
        let mut bound = [abi::aa_bound::new_zeroed(); 3];
        let mut add = |number, generation| {
            let added = super::add(&mut bound, Class { number, generation }, 100, 10);
            (added.is_ok(), bound.map(|one| one.generation))
        };
        for generation in 1..=3 {
            add(1, generation);
        }
        assert_eq!(add(1, 4), (true, [4, 2, 3]));
        assert_eq!(add(1, 5), (true, [4, 5, 3]));
        assert_eq!(add(1, 6), (true, [4, 5, 6]));
        assert_eq!(add(2, 6), (true, [6, 5, 6]));
        assert_eq!(add(3, 6), (true, [6, 6, 6]));
        assert_eq!(add(4, 6), (false, [6, 6, 6]));
        assert_eq!(add(3, 6), (true, [6, 6, 6]), "it is there already");
    }

    #[test]
    fn what_expired_makes_room_and_a_shorter_answer_shortens_nothing() {
        let class = |number| Class { number, generation: 7 };
        let mut bound = [abi::aa_bound::new_zeroed(); 2];
        add(&mut bound, class(1), 50, 10).unwrap();
        add(&mut bound, class(2), 90, 10).unwrap();
        add(&mut bound, class(2), 60, 10).unwrap();
        assert_eq!(bound[1].expires_ns, 90);
        assert!(add(&mut bound, class(3), 90, 49).is_err());
        add(&mut bound, class(3), 90, 50).unwrap();
        assert_eq!((bound[0].class, bound[1].class), (3, 2));
    }

    #[test]
    fn an_address_is_keyed_as_the_kernel_writes_it() {
        let key = key(7, "192.0.2.1".parse().unwrap());
        let bytes = key.as_bytes();
        assert_eq!(bytes[..16], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]);
        assert_eq!(bytes[16..20], 7_u32.to_ne_bytes());
    }
}
