//! The system calls that reading a descriptor takes; every other ends the process.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{BackendError, SeccompAction, SeccompFilter, TargetArch};

/// Why the filter is not in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    #[error("the filter for system calls cannot be made")]
    Build(#[from] BackendError),
    #[error("the kernel refuses the filter for system calls")]
    Apply(#[from] seccompiler::Error),
}

const ALLOWED: &[libc::c_long] = &[
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_pread64,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_close,
    // A panic's and a failure's words, to standard error.
    libc::SYS_write,
    // Keys of hash tables.
    libc::SYS_getrandom,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Its end.
    libc::SYS_futex,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

pub(crate) fn apply() -> Result<(), SeccompError> {
    let rules = ALLOWED
        .iter()
        .map(|number| (*number, Vec::new()))
        .collect::<BTreeMap<_, _>>();
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}
