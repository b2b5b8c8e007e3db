//! System calls that the sensor never makes again once it has started, and that would be worth having to whoever took it
//! over. What it starts inherits this; the gateway then allows itself far less.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Why the filter is not in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    #[error("the filter for system calls cannot be made")]
    Build(#[from] seccompiler::BackendError),
    #[error("the kernel refuses the filter for system calls")]
    Apply(#[from] seccompiler::Error),
}

const DENIED: &[libc::c_long] = &[
    // Other processes' memory; reading it is `/proc`'s, and only its maps are read.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    // Programs and probes.
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    // What others see.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_chroot,
    // Ways around this filter, and the machine.
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_open_by_handle_at,
];

/// Commands of bpf(2) that use maps it has; none that makes or finds a program or map.
const BPF_COMMANDS: [u64; 5] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
];

/// Restricts this thread and all it starts.
pub(crate) fn apply() -> Result<(), SeccompError> {
    let mut rules: BTreeMap<libc::c_long, Vec<SeccompRule>> =
        DENIED.iter().map(|number| (*number, Vec::new())).collect();
    rules.insert(libc::SYS_bpf, vec![first_argument_is_none_of(&BPF_COMMANDS)?]);
    rules.insert(
        libc::SYS_socket,
        vec![first_argument_is_none_of(&[libc::AF_UNIX.unsigned_abs().into()])?],
    );
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

fn first_argument_is_none_of(values: &[u64]) -> Result<SeccompRule, SeccompError> {
    let differs = |value: &u64| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *value);
    let conditions = values.iter().map(differs).collect::<Result<Vec<_>, _>>()?;
    Ok(SeccompRule::new(conditions)?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn no_program_is_loaded_and_no_network_reached_but_unix_sockets_and_programs_are() {
        std::thread::spawn(|| {
            nix::sys::prctl::set_no_new_privs().unwrap();
            apply().unwrap();
            assert_eq!(
                std::net::UdpSocket::bind("127.0.0.1:0").unwrap_err().kind(),
                ErrorKind::PermissionDenied
            );
            // PROG_GET_NEXT_ID.
            assert_eq!(aa_bpf::probe::call_bpf().unwrap_err().raw_os_error(), Some(libc::EPERM));
            assert!(std::os::unix::net::UnixStream::pair().is_ok());
            assert!(std::os::unix::net::UnixDatagram::unbound().is_ok());
            assert!(std::process::Command::new("/bin/true").status().unwrap().success());
        })
        .join()
        .unwrap();
    }
}
