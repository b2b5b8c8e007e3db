//! Who asks the resolver: a table from the port a question comes from to the agent, which the kernel programs write before the question
//! leaves and the resolver reads by mmap, without any privilege.

use std::ffi::c_void;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::abi;
use crate::clock::boot_ns;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// The table, mapped for reading.
#[derive(Debug)]
pub struct Askers {
    start: NonNull<AtomicU64>,
    // Held as long as the memory is mapped.
    _descriptor: OwnedFd,
}

const ENTRIES: usize = abi::AA_MAX_ASKERS as usize;
const BYTES: NonZeroUsize = NonZeroUsize::new(ENTRIES * size_of::<u64>()).unwrap();

// SAFETY: the memory is only ever read, by atomic loads, and stays mapped until the value is dropped.
unsafe impl Send for Askers {}
// SAFETY: as above.
unsafe impl Sync for Askers {}

impl Askers {
    /// Maps the table.
    ///
    /// # Errors
    /// What the kernel said: the descriptor is no such table, or too small a one.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        // SAFETY: a new mapping at an address the kernel chooses; it aliases nothing of ours.
        let start = unsafe { mmap(None, BYTES, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &descriptor, 0)? };
        Ok(Self {
            start: start.cast(),
            _descriptor: descriptor,
        })
    }

    /// The agent that asked from this address in the last [`abi::AA_ASKER_SECONDS`]; `None` where no agent did. Only the loopback addresses themselves count: a port of
    /// another local address is another socket, perhaps somebody else's.
    pub fn agent(&self, from: SocketAddr, transport: Transport) -> Option<u32> {
        let table = match (from, transport) {
            (SocketAddr::V4(from), _) if *from.ip() != std::net::Ipv4Addr::LOCALHOST => return None,
            (SocketAddr::V6(from), _) if *from.ip() != std::net::Ipv6Addr::LOCALHOST => return None,
            (SocketAddr::V4(_), Transport::Udp) => abi::AA_ASKERS_UDP4,
            (SocketAddr::V4(_), Transport::Tcp) => abi::AA_ASKERS_TCP4,
            (SocketAddr::V6(_), Transport::Udp) => abi::AA_ASKERS_UDP6,
            (SocketAddr::V6(_), Transport::Tcp) => abi::AA_ASKERS_TCP6,
        };
        let index = usize::try_from(table).ok()? + usize::from(from.port());
        if index >= ENTRIES {
            return None;
        }
        // SAFETY: the index is within the mapping, whose entries are aligned words the kernel writes whole.
        let entry = unsafe { self.start.add(index).as_ref() }.load(Ordering::Acquire);
        let noted = entry >> 32;
        let now = boot_ns().ok()? / 1_000_000_000;
        let fresh = now.saturating_sub(noted) <= abi::AA_ASKER_SECONDS.into();
        // The agent is the lower half.
        u32::try_from(entry & u64::from(u32::MAX))
            .ok()
            .filter(|agent| *agent != 0 && fresh)
    }
}

impl Drop for Askers {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and nobody holds a reference into it.
        if let Err(error) = unsafe { munmap(self.start.cast::<c_void>(), BYTES.get()) } {
            // The address space ends with the process.
            debug_assert!(false, "cannot unmap: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    #[test]
    fn an_agent_is_found_by_port_family_and_transport_soon_after_and_only_at_loopback() {
        let table = memfd_create("askers", MFdFlags::empty()).unwrap();
        let file = std::fs::File::from(table.as_fd().try_clone_to_owned().unwrap());
        file.set_len(BYTES.get() as u64).unwrap();
        let place = u64::from(abi::AA_ASKERS_TCP4 + 40_000) * 8;
        let now = boot_ns().unwrap() / 1_000_000_000;
        let note = |agent: u64, seconds: u64, port: u64| {
            let entry = agent | seconds << 32;
            std::os::unix::fs::FileExt::write_all_at(&file, &entry.to_ne_bytes(), place + port * 8).unwrap();
        };
        note(7, now, 0);
        note(8, now - 60, 2);
        let askers = Askers::new(table).unwrap();
        let agent = |from: &str, transport| askers.agent(from.parse().unwrap(), transport);
        assert_eq!(agent("127.0.0.1:40000", Transport::Tcp), Some(7));
        assert_eq!(agent("127.0.0.1:40000", Transport::Udp), None);
        assert_eq!(agent("127.0.0.2:40000", Transport::Tcp), None);
        assert_eq!(agent("[::1]:40000", Transport::Tcp), None);
        assert_eq!(agent("127.0.0.1:40001", Transport::Tcp), None);
        assert_eq!(agent("127.0.0.1:40002", Transport::Tcp), None, "noted a minute ago");
    }
}
