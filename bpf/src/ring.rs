//! The reader's side of a ring: what the gateway, which holds no capability, does with a file descriptor.
//!
//! libbpf's reader gives a record's room back to the kernel as soon as its callback returns. Here reading and giving
//! back are two steps, so that what was read and not yet written to disk is still in the ring when the reader dies, and
//! its successor reads it again. The layout is that of `kernel/bpf/ringbuf.c`: a page with the consumer's position that
//! the reader may write, then a page with the producer's position, then the data, mapped twice in a row so that no
//! record is ever cut.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use std::{io, slice};

use libbpf_rs::libbpf_sys;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::ProtFlags;

use crate::shared::{Mapping, page_bytes};

/// `BPF_RINGBUF_BUSY_BIT` and `BPF_RINGBUF_DISCARD_BIT` of a record's length.
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
/// `BPF_RINGBUF_HDR_SZ`: the length, and a page offset for the kernel's own use.
const HEADER_BYTES: u64 = 8;

/// One ring, mapped. Its reader is whoever holds it; two readers of the same ring would both get every record.
#[derive(Debug)]
pub struct Ring {
    descriptor: OwnedFd,
    /// The consumer's page.
    consumer: Arc<Mapping>,
    /// The producer's page, and the data twice.
    producer: Arc<Mapping>,
    page: usize,
    mask: u64,
    /// How far this reader has read.
    read: u64,
    id: u32,
}

impl Ring {
    /// Maps a ring. Reading begins where the last reader gave back.
    ///
    /// # Errors
    /// What the kernel said: the descriptor is no ring buffer, or may not be mapped.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let (id, bytes) = describe(&descriptor)?;
        let page = page_bytes()?;
        let writable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let consumer = Arc::new(Mapping::new(&descriptor, page, writable, 0)?);
        let producer = Arc::new(Mapping::new(&descriptor, page + 2 * bytes, ProtFlags::PROT_READ, page)?);
        let mut ring = Self {
            descriptor,
            consumer,
            producer,
            page,
            mask: bytes as u64 - 1,
            read: 0,
            id,
        };
        ring.read = ring.consumed().load(Ordering::Acquire);
        Ok(ring)
    }

    /// The kernel's number of the map; no other has it until the next boot.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Gives at most `limit` records that were not given before to `handler`; how many there were. They stay in the ring
    /// until [`Ring::release`].
    pub fn read(&mut self, limit: usize, mut handler: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        let produced = self.produced().load(Ordering::Acquire);
        while count < limit && self.read < produced {
            let header = self.header_at(self.read).load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            let length = header & !DISCARD;
            if header & DISCARD == 0 {
                handler(self.bytes_at(self.read + HEADER_BYTES, length as usize));
                count += 1;
            }
            self.read += (u64::from(length) + HEADER_BYTES).next_multiple_of(8);
        }
        count
    }

    /// Gives the room of what was read back to the kernel.
    pub fn release(&mut self) {
        self.consumed().store(self.read, Ordering::Release);
    }

    /// To see elsewhere whether records wait.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            consumer: Arc::clone(&self.consumer),
            producer: Arc::clone(&self.producer),
        }
    }

    fn consumed(&self) -> &AtomicU64 {
        self.consumer.position()
    }

    fn produced(&self) -> &AtomicU64 {
        self.producer.position()
    }

    /// The address of a position; everything within one ring's length from there is mapped.
    fn at(&self, position: u64) -> *mut u8 {
        // The mask is less than the ring's size, which is a usize.
        #[allow(clippy::cast_possible_truncation, reason = "masked to the ring's size")]
        let offset = self.page + (position & self.mask) as usize;
        // SAFETY: page + two rings are mapped, and the offset is below page + one ring.
        unsafe { self.producer.address.as_ptr().cast::<u8>().add(offset) }
    }

    fn header_at(&self, position: u64) -> &AtomicU32 {
        // SAFETY: positions of records are multiples of 8; the kernel writes a header atomically.
        unsafe { AtomicU32::from_ptr(self.at(position).cast()) }
    }

    fn bytes_at(&self, position: u64, length: usize) -> &[u8] {
        // A record is never longer than the ring; what says so is no record.
        let length = if length as u64 > self.mask { 0 } else { length };
        // SAFETY: mapped, see `at`; the kernel does not write to a committed record before it is released.
        unsafe { slice::from_raw_parts(self.at(position), length) }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Says of a ring whether anything in it is not released.
#[derive(Debug)]
pub struct Backlog {
    consumer: Arc<Mapping>,
    producer: Arc<Mapping>,
}

impl Backlog {
    /// Whether every record made so far was read and released.
    pub fn is_empty(&self) -> bool {
        let produced = self.producer.position().load(Ordering::Acquire);
        self.consumer.position().load(Ordering::Acquire) >= produced
    }
}

/// Waits until one of the rings holds what is not released, or the time is over. To be called with everything released:
/// the kernel wakes nobody who is behind.
pub fn wait(rings: &[Ring], timeout: Duration) -> io::Result<()> {
    let mut polled: Vec<_> = rings
        .iter()
        .map(|ring| PollFd::new(ring.as_fd(), PollFlags::POLLIN))
        .collect();
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The map's number and its bytes of data.
fn describe(descriptor: &OwnedFd) -> io::Result<(u32, usize)> {
    let mut info = libbpf_sys::bpf_map_info::default();
    let mut length = u32::try_from(size_of_val(&info)).map_err(io::Error::other)?;
    // SAFETY: `info` is plain data of `length` bytes that the kernel fills.
    let ret = unsafe { libbpf_sys::bpf_map_get_info_by_fd(descriptor.as_raw_fd(), &raw mut info, &raw mut length) };
    if ret < 0 {
        return Err(io::Error::from_raw_os_error(-ret));
    }
    if info.type_ != libbpf_sys::BPF_MAP_TYPE_RINGBUF || !info.max_entries.is_power_of_two() {
        return Err(io::Error::other("the descriptor is no ring buffer"));
    }
    Ok((info.id, info.max_entries as usize))
}
