//! The system calls the gateway needs; every other fails with EPERM.
//!
//! What is not here matters most: execve, ptrace, bpf, mount, connect, socket of any family but unix, kill, process_vm_readv,
//! io_uring, perf_event_open, keyctl, setns, unshare.

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
    // Files: the audit log, the state, policies, symbol tables.
    libc::SYS_openat,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    // The audit log is made readable for its group, whatever the umask.
    libc::SYS_fchmod,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_getcwd,
    libc::SYS_umask,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    // The page with the vault's keys.
    libc::SYS_mlock,
    libc::SYS_munlock,
    // Threads, time, signals.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Waiting and sockets.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pipe2,
    libc::SYS_dup,
    libc::SYS_dup3,
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
const ALLOWED_HERE: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_mkdir,
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_dup2,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[];

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
    for number in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(number, vec![argument_is(0, libc::AF_UNIX.unsigned_abs().into())?]);
    }
    // Threads name themselves.
    rules.insert(
        libc::SYS_prctl,
        vec![argument_is(0, libc::PR_SET_NAME.unsigned_abs().into())?],
    );
    // Sockets are made non-blocking.
    rules.insert(libc::SYS_ioctl, vec![argument_is(1, libc::FIONBIO)?]);
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
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    #[test]
    fn no_program_and_no_network_can_be_reached_but_files_and_unix_sockets_can() {
        std::thread::spawn(|| {
            nix::sys::prctl::set_no_new_privs().unwrap();
            apply().unwrap();
            assert_eq!(
                TcpListener::bind("127.0.0.1:0").unwrap_err().kind(),
                ErrorKind::PermissionDenied
            );
            assert_eq!(
                Command::new("/bin/true").status().unwrap_err().kind(),
                ErrorKind::PermissionDenied
            );
            assert!(UnixStream::pair().unwrap().0.set_nonblocking(true).is_ok());
            assert!(std::fs::read("/proc/self/maps").is_ok());
            std::thread::spawn(|| ()).join().unwrap();
        })
        .join()
        .unwrap();
    }
}
