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
        let same =
            |bound: &&mut abi::aa_bound| bound.generation == class.generation && bound.class == u32::from(class.number);
        let free = |bound: &&mut abi::aa_bound| bound.generation == 0 || bound.expires_ns <= now;
        if let Some(bound) = binding.bound.iter_mut().find(same) {
            // A shorter answer does not end what a longer one gave.
            bound.expires_ns = bound.expires_ns.max(expires_ns);
        } else {
            let older = |bound: &&mut abi::aa_bound| bound.generation < class.generation;
            let found = binding.bound.iter_mut().find(free);
            let found = match found {
                Some(bound) => Some(bound),
                // What was bound under a policy before this one does not count any more.
                None => binding.bound.iter_mut().find(older),
            };
            *found.ok_or(NameError::ManyNames)? = abi::aa_bound {
                class: class.number.into(),
                generation: class.generation,
                expires_ns,
            };
        }
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
    fn an_address_is_keyed_as_the_kernel_writes_it() {
        let key = key(7, "192.0.2.1".parse().unwrap());
        let bytes = key.as_bytes();
        assert_eq!(bytes[..16], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]);
        assert_eq!(bytes[16..20], 7_u32.to_ne_bytes());
    }
}
