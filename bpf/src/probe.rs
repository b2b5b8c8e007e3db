//! Actions that a self-test performs and no safe interface offers. Each is a system call or two on its own memory.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libbpf_rs::OpenObject;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// Maps the first page of a file as code, and unmaps it.
pub fn map_code(file: &File) -> io::Result<()> {
    let page = NonZeroUsize::MIN.saturating_add(4095);
    // SAFETY: a fresh private mapping that nothing points into.
    let address = unsafe {
        mmap(
            None,
            page,
            ProtFlags::PROT_READ | ProtFlags::PROT_EXEC,
            MapFlags::MAP_PRIVATE,
            file,
            0,
        )
    }?;
    // SAFETY: the mapping just made.
    unsafe { munmap(address, page.get()) }?;
    Ok(())
}

/// Asks `bpf(2)` for something harmless: the next program id after the last.
pub fn call_bpf() -> io::Result<()> {
    const PROG_GET_NEXT_ID: libc::c_int = 11;
    let mut attribute = [0_u32; 4];
    attribute[0] = u32::MAX - 1;
    // SAFETY: the attribute is 16 readable and writable bytes, as the size says.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_GET_NEXT_ID,
            attribute.as_mut_ptr(),
            size_of_val(&attribute),
        )
    };
    let error = io::Error::last_os_error();
    // No further program: the call was let through.
    if ret < 0 && error.raw_os_error() != Some(libc::ENOENT) {
        Err(error)
    } else {
        Ok(())
    }
}

/// Asks for a byte to be typed into a terminal; a file that is none says `ENOTTY`, which is success here.
pub fn type_into(file: &File) -> io::Result<()> {
    let byte = b' ';
    // SAFETY: TIOCSTI reads one byte at the address.
    let ret = unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCSTI, &raw const byte) };
    let error = io::Error::last_os_error();
    if ret < 0 && error.raw_os_error() != Some(libc::ENOTTY) {
        Err(error)
    } else {
        Ok(())
    }
}

/// Whether the kernel has task storage: tries to make such a map.
pub fn has_task_storage() -> Result<bool, libbpf_rs::Error> {
    libbpf_rs::MapType::TaskStorage.is_supported()
}

/// Whether the kernel takes programs of the LSM's kind: tries to load one.
pub fn takes_lsm_programs() -> Result<bool, libbpf_rs::Error> {
    libbpf_rs::ProgramType::Lsm.is_supported()
}

/// Tells an object that tries something out whose process does it: all it has of constants. `None` if it has others.
pub(crate) fn name_process(object: &mut OpenObject) -> Option<()> {
    for mut map in object.maps_mut() {
        if map.name().to_string_lossy().ends_with(".rodata") {
            let process = map
                .initial_value_mut()
                .filter(|value| value.len() == size_of::<u32>())?;
            process.copy_from_slice(&std::process::id().to_ne_bytes());
        }
    }
    Some(())
}

/// The return value of a system call that gives -1 and `errno`.
fn outcome(ret: impl Into<i64>) -> io::Result<()> {
    if ret.into() < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Gives a process the limit on open files that the caller has (`prlimit(2)`).
pub fn limit(process: Pid) -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the new limit is read, and the old one not asked for.
    outcome(unsafe { libc::prlimit(process.as_raw(), libc::RLIMIT_NOFILE, &raw const limit, ptr::null_mut()) })
}

/// Gives a process the ordinary priority (`setpriority(2)`).
pub fn prioritise(process: Pid) -> io::Result<()> {
    // SAFETY: no memory is named.
    outcome(unsafe { libc::setpriority(libc::PRIO_PROCESS, process.as_raw().cast_unsigned(), 0) })
}

/// Gives a process the I/O priority that follows from its CPU priority (`ioprio_set(2)`).
pub fn prioritise_io(process: Pid) -> io::Result<()> {
    const PROCESS: libc::c_int = 1;
    const NONE: libc::c_int = 0;
    // SAFETY: no memory is named.
    outcome(unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, process.as_raw(), NONE) })
}

/// Sets up an io_uring of one entry (`io_uring_setup(2)`). A kernel that has none refuses it as well as one that may not.
pub fn set_up_ring() -> io::Result<()> {
    // struct io_uring_params
    let mut parameters = [0_u32; 30];
    // SAFETY: the kernel reads and writes the 120 bytes of its parameters.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    match outcome(ring) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Err(io::Error::from_raw_os_error(libc::EPERM)),
        Err(error) => Err(error),
        Ok(()) => {
            let number = RawFd::try_from(ring).map_err(io::Error::other)?;
            // SAFETY: the descriptor was just made, and is nobody else's.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
            Ok(())
        }
    }
}

/// Names who is to be told of what happens to a file (`F_SETOWN`).
pub fn own(file: &File, process: Pid) -> io::Result<()> {
    // SAFETY: the descriptor is open, and no memory is named.
    outcome(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETOWN, process.as_raw()) })
}

/// Opens a context for a tmpfs of one's own (`fsopen(2)`), and makes it if `made`; it is attached nowhere.
pub fn new_file_system(made: bool) -> io::Result<()> {
    const CREATE: libc::c_uint = 6;
    // SAFETY: the name is a C string.
    configure(
        unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 1) },
        made.then_some(CREATE),
    )
}

/// Picks the file system at a path (`fspick(2)`), and remounts it as it is if `changed`.
pub fn picked_file_system(path: &CStr, changed: bool) -> io::Result<()> {
    const RECONFIGURE: libc::c_uint = 7;
    // SAFETY: the path is a C string.
    configure(
        unsafe { libc::syscall(libc::SYS_fspick, libc::AT_FDCWD, path.as_ptr(), 1) },
        changed.then_some(RECONFIGURE),
    )
}

fn configure(context: i64, command: Option<libc::c_uint>) -> io::Result<()> {
    outcome(context)?;
    let number = RawFd::try_from(context).map_err(io::Error::other)?;
    // SAFETY: the descriptor was just made, and is nobody else's.
    let context = unsafe { OwnedFd::from_raw_fd(number) };
    let Some(command) = command else { return Ok(()) };
    let (key, value, aux) = (ptr::null::<u8>(), ptr::null::<u8>(), 0);
    // SAFETY: these commands take no key and no value.
    outcome(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, aux) })
}

/// Sets a source route of no hops on a socket (`IP_OPTIONS`), or clears an option that leads nowhere if not `routed`.
pub fn route(socket: &impl AsRawFd, routed: bool) -> io::Result<()> {
    let nothing = 0_u32;
    let option = if routed { libc::IP_OPTIONS } else { libc::IP_TOS };
    let length: libc::socklen_t = if routed { 0 } else { u32::BITS / 8 };
    // SAFETY: `length` bytes of `nothing` are read, at most all of it.
    outcome(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            option,
            (&raw const nothing).cast(),
            length,
        )
    })
}

/// Has what is sent on an IPv4 socket go by another host first (`IP_OPTIONS`: a loose source route of one hop).
pub fn route_by(socket: &impl AsRawFd, hop: Ipv4Addr) -> io::Result<()> {
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    let [a, b, c, d] = hop.octets();
    let option = [LOOSE_SOURCE_ROUTE, 7, 4, a, b, c, d, 0];
    let length = libc::socklen_t::try_from(option.len()).map_err(io::Error::other)?;
    // SAFETY: `length` bytes of `option` are read.
    outcome(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            option.as_ptr().cast(),
            length,
        )
    })
}

/// Makes memory that the children of the calling process will share with it, as long as it lives.
pub fn share_memory() -> io::Result<()> {
    let page = NonZeroUsize::MIN.saturating_add(4095);
    // SAFETY: a fresh mapping that nothing points into.
    unsafe {
        mmap_anonymous(
            None,
            page,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
        )
    }?;
    Ok(())
}

/// A child that does `work` and ends with its error's number. For programs of one thread.
#[derive(Debug)]
pub struct Child(Pid);

impl Child {
    /// Starts it.
    pub fn start(work: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        // SAFETY: the caller has one thread, so the child may do anything.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self(child)),
            ForkResult::Child => {
                let code = match work() {
                    Ok(()) => 0,
                    Err(error) => error.raw_os_error().unwrap_or(libc::EPROTO),
                };
                // SAFETY: the child ends here, without what its parent wants done at the end.
                unsafe { libc::_exit(code) }
            }
        }
    }

    /// Its process.
    pub fn process(&self) -> Pid {
        self.0
    }

    /// What came of its work.
    pub fn end(self) -> io::Result<()> {
        match waitpid(self.0, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, code) => Err(io::Error::from_raw_os_error(code)),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }
}
