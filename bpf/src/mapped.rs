//! Which files processes map as code, told by the kernel as it happens: programs, what they load at their start, and what
//! they load later.
//!
//! Where LSM programs are in force, they tell of what governed processes are about to map, of each file once until it changes
//! ([`Mappers`], [`Looked`]). Elsewhere perf's side band does (`PERF_RECORD_MMAP2`, `perf_event_open(2)`), of all processes of the
//! machine and at the cost of all, also of those that nobody governs.
//!
//! Of a record of perf only the fixed part is looked at: the file's name, which anybody may choose, is passed over.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use libbpf_rs::libbpf_sys;
use nix::sys::mman::ProtFlags;

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use zerocopy::{FromBytes, IntoBytes};

use crate::abi;
use crate::load::{Kernel, LoadError};
use crate::ring::Ring;
use crate::shared::{Mapping, page_bytes};
use crate::uprobes::{DISABLE, ENABLE, open_event, switch_event};

/// Pages of one processor's ring, a power of two: some thousand mappings.
const PAGES: usize = 64;
/// `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
/// `PERF_RECORD_LOST` and `PERF_RECORD_MMAP2`.
const LOST: u32 = 2;
const MMAP2: u32 = 10;
/// `struct perf_event_header` and the record's fixed part: pid, tid, address, length, offset, device, inode,
/// generation, protection, flags.
const FIXED_BYTES: usize = 8 + 64;

/// A file that was mapped as code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedCode {
    /// By which process (thread group).
    pub pid: u32,
    /// Where in its memory.
    pub from: u64,
    /// The first address behind it.
    pub to: u64,
    /// The file's inode number; 0 where no file is mapped.
    pub inode: u64,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Code was mapped.
    Mapped(MappedCode),
    /// So many records were lost: there was no room.
    Lost(u64),
}

/// The rings, one for each processor.
#[derive(Debug)]
pub struct MappedFiles {
    rings: Vec<PerfRing>,
    tells: bool,
}

impl MappedFiles {
    /// Prepares for the kernel to tell, on all processors.
    ///
    /// # Errors
    /// What `perf_event_open(2)` said: it takes `CAP_PERFMON`.
    pub fn open() -> io::Result<Self> {
        let processors = libbpf_rs::num_possible_cpus().map_err(io::Error::other)?;
        let mut rings = Vec::new();
        for processor in 0..processors {
            match PerfRing::open(processor) {
                Ok(ring) => rings.push(ring),
                // It is possible and not there.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { rings, tells: false })
    }

    /// Has the kernel tell from now on, or no more: it costs whoever maps code, governed or not.
    ///
    /// # Errors
    /// What `ioctl(2)` said.
    pub fn tell(&mut self, tells: bool) -> io::Result<()> {
        if tells != self.tells {
            let command = if tells { ENABLE } else { DISABLE };
            let mut rings = self.rings.iter();
            rings.try_for_each(|ring| switch_event(ring.descriptor.as_fd(), command))?;
            self.tells = tells;
        }
        Ok(())
    }

    /// To wait for news: each is readable when there are any.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings.iter().map(|ring| ring.descriptor.as_fd())
    }

    /// Gives what came since the last time.
    pub fn read(&mut self, mut each: impl FnMut(News)) {
        for ring in &mut self.rings {
            ring.read(&mut each);
        }
    }
}

#[derive(Debug)]
struct PerfRing {
    descriptor: OwnedFd,
    mapping: Mapping,
    /// Where the data begins, and how much it is.
    page: usize,
    bytes: usize,
}

impl PerfRing {
    fn open(processor: usize) -> io::Result<Self> {
        let mut attribute = libbpf_sys::perf_event_attr {
            type_: libbpf_sys::PERF_TYPE_SOFTWARE,
            config: libbpf_sys::PERF_COUNT_SW_DUMMY.into(),
            ..Default::default()
        };
        // `mmap` alone is what the kernel counts to know that anybody listens.
        attribute.set_mmap(1);
        attribute.set_mmap2(1);
        attribute.set_disabled(1);
        // Bytes: `wakeup_events` counts samples alone, and a ring wakes nobody before it is half full.
        attribute.set_watermark(1);
        attribute.__bindgen_anon_2.wakeup_watermark = 1;
        let processor = i32::try_from(processor).map_err(io::Error::other)?;
        let descriptor = open_event(&mut attribute, processor)?;
        let page = page_bytes()?;
        let bytes = PAGES * page;
        let writable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let mapping = Mapping::new(&descriptor, page + bytes, writable, 0)?;
        Ok(Self {
            descriptor,
            mapping,
            page,
            bytes,
        })
    }

    fn read(&mut self, each: &mut impl FnMut(News)) {
        let head = self.mapping.position_at(HEAD).load(Ordering::Acquire);
        let mut tail = self.mapping.position_at(TAIL).load(Ordering::Relaxed);
        while tail < head {
            let record = self.copy(tail);
            let [kind, size] = sizes(&record);
            each_record(kind, &record, each);
            // What has no size is no record: the ring is given up as far as it goes.
            tail = if size == 0 { head } else { tail + u64::from(size) };
        }
        self.mapping.position_at(TAIL).store(head, Ordering::Release);
    }

    /// The beginning of the record at a position, which may be cut by the ring's end.
    fn copy(&self, position: u64) -> [u8; FIXED_BYTES] {
        std::array::from_fn(|index| {
            #[expect(clippy::cast_possible_truncation, reason = "less than the ring's bytes")]
            let at = (position.wrapping_add(index as u64) % self.bytes as u64) as usize;
            // SAFETY: `page + at` lies in the mapping; the kernel writes no record that was not given back.
            unsafe {
                self.mapping
                    .address
                    .as_ptr()
                    .cast::<u8>()
                    .add(self.page + at)
                    .read_volatile()
            }
        })
    }
}

/// A file in one state, as the kernel has its numbers.
pub use crate::abi::aa_file_version as FileVersion;

/// What a governed process says of its own mappings, where LSM programs are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapper {
    /// It is about to map a file as code.
    Maps {
        /// The process.
        pid: u32,
        /// The file: its device (major and minor) and inode number.
        file: ((u32, u32), u64),
    },
    /// It is governed from now on, by a selector: all that it has mapped is new.
    Begins(u32),
}

/// The ring of that.
#[derive(Debug)]
pub struct Mappers(Ring);

impl Mappers {
    /// Maps it.
    ///
    /// # Errors
    /// The map is not there, or may not be mapped.
    pub fn new(kernel: &Kernel) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Folder {
            path: "mapped".into(),
            source,
        };
        let descriptor = kernel.map("mapped")?.as_fd().try_clone_to_owned().map_err(failed)?;
        Ring::new(descriptor).map(Self).map_err(failed)
    }

    /// To wait for more.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Gives what came since the last time.
    pub fn read(&mut self, mut each: impl FnMut(Mapper)) {
        self.0
            .read(usize::MAX, |bytes| match abi::aa_mapped::read_from_bytes(bytes) {
                Ok(told) if told.whole != 0 => each(Mapper::Begins(told.pid)),
                Ok(told) => each(Mapper::Maps {
                    pid: told.pid,
                    file: (device(told.file.device), told.file.inode),
                }),
                // Another build's.
                Err(_) => {}
            });
        self.0.release();
    }
}

/// As the kernel has it (`MAJOR()` and `MINOR()` of linux/kdev_t.h).
fn device(number: u64) -> (u32, u32) {
    let number = u32::try_from(number).unwrap_or_default();
    (number >> 20, number & 0xf_ffff)
}

/// The files that need not be told of.
#[derive(Debug)]
pub struct Looked(MapHandle);

impl Looked {
    /// Opens the table of a kernel side.
    pub fn new(kernel: &Kernel) -> Result<Self, LoadError> {
        kernel.own_map("looked").map(Self)
    }

    /// All is known of it. Where that cannot be said it is told of again.
    pub fn add(&self, file: &FileVersion) {
        drop(self.0.update(file.as_bytes(), &1u32.to_ne_bytes(), MapFlags::ANY));
    }

    /// Nothing is known of any.
    pub fn clear(&self) {
        for key in self.0.keys() {
            drop(self.0.delete(&key));
        }
    }
}

fn word(record: &[u8; FIXED_BYTES], at: usize) -> u64 {
    let bytes = record.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_ne_bytes)
}

/// The header's kind and size: `struct perf_event_header` is `u32 type, u16 misc, u16 size`.
fn sizes(record: &[u8; FIXED_BYTES]) -> [u32; 2] {
    let header = word(record, 0);
    #[expect(clippy::cast_possible_truncation, reason = "the lower half, and two bytes")]
    let parts = [header as u32, (header >> 48) as u32];
    parts
}

fn each_record(kind: u32, record: &[u8; FIXED_BYTES], each: &mut impl FnMut(News)) {
    match kind {
        MMAP2 => {
            let from = word(record, 16);
            each(News::Mapped(MappedCode {
                #[expect(clippy::cast_possible_truncation, reason = "pid, then tid, 32 bits each")]
                pid: word(record, 8) as u32,
                from,
                to: from.saturating_add(word(record, 24)),
                inode: word(record, 48),
            }));
        }
        LOST => each(News::Lost(word(record, 16))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, size: u16, words: &[(usize, u64)]) -> [u8; FIXED_BYTES] {
        let mut record = [0; FIXED_BYTES];
        record[..4].copy_from_slice(&kind.to_ne_bytes());
        record[6..8].copy_from_slice(&size.to_ne_bytes());
        for (at, word) in words {
            record[*at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        record
    }

    fn news(record: &[u8; FIXED_BYTES]) -> Vec<News> {
        let mut told = Vec::new();
        each_record(sizes(record)[0], record, &mut |one| told.push(one));
        told
    }

    #[test]
    fn a_mapping_is_told_with_who_and_where() {
        let mapped = record(MMAP2, 96, &[(8, 7 | 8 << 32), (16, 0x1000), (24, 0x2000), (48, 42)]);
        assert_eq!(sizes(&mapped), [MMAP2, 96]);
        let told = News::Mapped(MappedCode {
            pid: 7,
            from: 0x1000,
            to: 0x3000,
            inode: 42,
        });
        assert_eq!(news(&mapped), [told]);
    }

    #[test]
    fn losses_are_told_and_other_records_passed_over() {
        assert_eq!(news(&record(LOST, 24, &[(16, 3)])), [News::Lost(3)]);
        assert_eq!(news(&record(3, 24, &[])), []);
    }
}
