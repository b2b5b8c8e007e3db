//! The system calls the resolver needs; every other fails with EPERM.
//!
//! What is not here matters most: execve, clone (it has one thread and no children), ptrace, bpf, mount, kill, process_vm_readv,
//! io_uring, perf_event_open, keyctl, setns, unshare, whatever changes files, and sockets of any family but unix and internet.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Why the filter is not in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    #[error("the filter for system calls cannot be made")]
    Build(#[from] seccompiler::BackendError),
    #[error("the kernel refuses the filter for system calls")]
    Apply(#[from] seccompiler::Error),
}

/// For all architectures.
const ALLOWED: &[libc::c_long] = &[
    // Files: resolv.conf and standard error.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fcntl,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Time, signals, the end.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Waiting and sockets.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
];

/// Older forms that only this architecture has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_epoll_wait];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[libc::SYS_ppoll];

/// Restricts this thread and all it starts.
pub(crate) fn apply() -> Result<(), SeccompError> {
    seccompiler::apply_filter(&program()?)?;
    Ok(())
}

fn program() -> Result<BpfProgram, SeccompError> {
    let mut rules: BTreeMap<libc::c_long, Vec<SeccompRule>> = ALLOWED
        .iter()
        .chain(ALLOWED_HERE)
        .map(|number| (*number, Vec::new()))
        .collect();
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let families = families.map(|family| argument_is(0, family.unsigned_abs().into()));
    rules.insert(libc::SYS_socket, families.into_iter().collect::<Result<_, _>>()?);
    // The runtime wakes itself.
    rules.insert(
        libc::SYS_socketpair,
        vec![argument_is(0, libc::AF_UNIX.unsigned_abs().into())?],
    );
    // Sockets are made non-blocking.
    rules.insert(libc::SYS_ioctl, vec![argument_is(1, libc::FIONBIO)?]);
    // To read alone: neither written nor made.
    let write = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC).unsigned_abs().into();
    let reads = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(write), 0)?;
    rules.insert(libc::SYS_openat, vec![SeccompRule::new(vec![reads])?]);
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, denied, SeccompAction::Allow, architecture)?.try_into()?)
}

fn argument_is(index: u8, value: u64) -> Result<SeccompRule, SeccompError> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;
    use std::net::UdpSocket;
    use std::process::Command;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

    use super::*;

    #[test]
    fn neither_programs_nor_threads_nor_other_sockets_nor_changed_files_but_the_network_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        std::thread::spawn(move || {
            nix::sys::prctl::set_no_new_privs().unwrap();
            apply().unwrap();
            let denied = |error: std::io::Error| assert_eq!(error.kind(), PermissionDenied, "{error}");
            denied(Command::new("/bin/true").status().unwrap_err());
            denied(std::thread::Builder::new().spawn(|| ()).unwrap_err());
            denied(std::fs::File::create(&path).unwrap_err());
            denied(std::fs::remove_file(&path).unwrap_err());
            let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), None);
            assert_eq!(netlink.unwrap_err(), nix::Error::EPERM);
            assert!(std::fs::read("/proc/self/status").is_ok());
            assert!(UdpSocket::bind("127.0.0.1:0").unwrap().set_nonblocking(true).is_ok());
        })
        .join()
        .unwrap();
        assert!(file.path().exists());
    }
}
