//! Probes in files: the programs of `progs/tls.bpf.c` at functions of TLS libraries. A probe is in every process that maps
//! the file, also in those to come; it ends when its descriptor is closed.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle, libbpf_sys};
use nix::libc;
use zerocopy::{FromBytes, IntoBytes};

use crate::abi;
use crate::load::{Kernel, LoadError};

const TYPE_FILE: &str = "/sys/bus/event_source/devices/uprobe/type";
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 8;
/// `_IO('$', 0)`.
pub(crate) const ENABLE: libc::c_ulong = 0x2400;
pub(crate) const DISABLE: libc::c_ulong = 0x2401;

/// Opens an event of the whole machine on one processor.
pub(crate) fn open_event(attribute: &mut libbpf_sys::perf_event_attr, processor: i32) -> io::Result<OwnedFd> {
    attribute.size = u32::try_from(size_of_val(attribute)).map_err(io::Error::other)?;
    let (everybody, no_group) = (-1, -1);
    // SAFETY: the attribute is as large as it says, and what it points to outlives the call.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_mut(attribute),
            everybody,
            processor,
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    let descriptor = i32::try_from(ret).ok().filter(|descriptor| *descriptor >= 0);
    let descriptor = descriptor.ok_or_else(io::Error::last_os_error)?;
    // SAFETY: a descriptor just made, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// When a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this instruction: `tls_enter`.
    Enter,
    /// At this instruction, which is a return: `tls_leave`.
    Leave,
    /// When the function that begins at this instruction returns: `tls_leave`. Never in Go or a program with fibres.
    Return,
}

/// What functions are, by the numbers that probes carry.
#[derive(Debug)]
pub struct Sites(MapHandle);

impl Sites {
    /// Opens the table of a kernel side.
    pub fn new(kernel: &Kernel) -> Result<Self, LoadError> {
        kernel.own_map("tls_sites").map(Self)
    }

    /// Says what a site is; before a probe with its number is attached.
    pub fn set(&self, number: u32, site: &abi::aa_tls_site) -> io::Result<()> {
        let updated = self.0.update(&number.to_ne_bytes(), site.as_bytes(), MapFlags::ANY);
        updated.map_err(io::Error::other)
    }
}

/// Sockets of governed processes, and how much of what goes over them is seen.
#[derive(Debug)]
pub struct Sockets(MapHandle);

impl Sockets {
    /// Opens the table of a kernel side.
    pub fn new(kernel: &Kernel) -> Result<Self, LoadError> {
        kernel.own_map("tls_sockets").map(Self)
    }

    /// All that are known; the kernel forgets those that were silent longest.
    pub fn list(&self) -> Vec<abi::aa_tls_socket> {
        let row = |key: Vec<u8>| {
            let value = self.0.lookup(&key, MapFlags::ANY).ok()??;
            abi::aa_tls_socket::read_from_bytes(&value).ok()
        };
        self.0.keys().filter_map(row).collect()
    }
}

/// What attaches probes. It takes `CAP_SYS_ADMIN`: `CAP_PERFMON` is not enough (measured on 6.18).
#[derive(Debug)]
pub struct Uprobes {
    enter: OwnedFd,
    leave: OwnedFd,
    kind: u32,
}

impl Uprobes {
    /// Finds the programs in a kernel side.
    pub fn new(kernel: &Kernel) -> Result<Self, LoadError> {
        let kind = fs::read_to_string(TYPE_FILE).and_then(|text| text.trim().parse().map_err(io::Error::other));
        Ok(Self {
            enter: kernel.program("tls_enter")?,
            leave: kernel.program("tls_leave")?,
            kind: kind.map_err(|source| LoadError::Folder {
                path: TYPE_FILE.into(),
                source,
            })?,
        })
    }

    /// Attaches a probe to an instruction, by its offset in the file. It ends when the descriptor is closed.
    ///
    /// # Errors
    /// What the kernel said: the file is no regular one, or no instruction it can probe is there.
    pub fn attach(&self, file: BorrowedFd<'_>, offset: u64, when: When, site: u32) -> io::Result<OwnedFd> {
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut attribute = libbpf_sys::perf_event_attr {
            type_: self.kind,
            // `format/retprobe`: the lowest bit.
            config: u64::from(when == When::Return),
            ..Default::default()
        };
        attribute.__bindgen_anon_3.uprobe_path = path.as_ptr() as u64;
        attribute.__bindgen_anon_4.probe_offset = offset;
        let event = open_event(&mut attribute, 0)?;
        let program = match when {
            When::Enter => &self.enter,
            When::Leave | When::Return => &self.leave,
        };
        // The link keeps the event.
        let link = link(program, &event, site)?;
        switch_event(event.as_fd(), ENABLE)?;
        Ok(link)
    }
}

/// `ENABLE` or `DISABLE`.
pub(crate) fn switch_event(event: BorrowedFd<'_>, command: libc::c_ulong) -> io::Result<()> {
    // SAFETY: an event, and a command without an argument.
    let ret = unsafe { libc::ioctl(event.as_raw_fd(), command, 0) };
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn link(program: &OwnedFd, event: &OwnedFd, cookie: u32) -> io::Result<OwnedFd> {
    let mut options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
        ..Default::default()
    };
    options.__bindgen_anon_1.perf_event.bpf_cookie = cookie.into();
    // SAFETY: live descriptors, and options that are as large as they say.
    let ret = unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            event.as_raw_fd(),
            libbpf_sys::BPF_PERF_EVENT,
            &raw const options,
        )
    };
    if ret < 0 {
        return Err(io::Error::from_raw_os_error(-ret));
    }
    // SAFETY: a descriptor just made, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(ret) })
}
