//! Actions that a self-test performs and no safe interface offers. Each is one system call on its own memory.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

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
