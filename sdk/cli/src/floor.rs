//! What a program closes for itself where the kernel takes no LSM programs: system calls by which it would leave what is
//! judged at cgroups, or change the machine under everybody. Only numbers are compared, never memory that could change
//! after the look. What it starts inherits all of it, and nothing takes it back.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Why the filters are not in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FloorError {
    #[error("the filter for system calls cannot be made")]
    Build(#[from] seccompiler::BackendError),
    #[error("the kernel refuses the filter for system calls")]
    Apply(#[from] seccompiler::Error),
    #[error("new privileges cannot be refused")]
    NoNewPrivileges(#[source] nix::Error),
}

const DENIED: &[libc::c_long] = &[
    // Its requests pass by every filter of system calls.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other processes, and descriptors that were judged as theirs.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    // What others see.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    // The machine.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
];

const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const NETLINK_ROUTE: u64 = 0;
/// The same system calls by the numbers of x32, which a kernel may take beside its own.
const X32: libc::c_long = 0x4000_0000;

/// Restricts this thread and all it becomes and starts.
pub(crate) fn apply() -> Result<(), FloorError> {
    nix::sys::prctl::set_no_new_privs().map_err(FloorError::NoNewPrivileges)?;
    install(denied()?, libc::EPERM)?;
    // Its flags lie in memory. Libraries go on with clone.
    install([(libc::SYS_clone3, Vec::new())].into(), libc::ENOSYS)
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn denied() -> Result<Rules, FloorError> {
    let mut rules: Rules = DENIED.iter().map(|number| (*number, Vec::new())).collect();
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6].map(|family| u64::from(family.unsigned_abs()));
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    let other = families.iter().chain([&netlink]).map(|family| differs(0, *family));
    rules.insert(
        libc::SYS_socket,
        vec![
            SeccompRule::new(other.collect::<Result<_, _>>()?)?,
            SeccompRule::new(vec![equals(0, netlink)?, differs(2, NETLINK_ROUTE)?])?,
        ],
    );
    rules.insert(
        libc::SYS_socketpair,
        vec![SeccompRule::new(vec![differs(0, families[0])?])?],
    );
    let user_namespace = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    let with_namespace = || {
        let operator = SeccompCmpOp::MaskedEq(user_namespace);
        SeccompRule::new(vec![SeccompCondition::new(
            0,
            SeccompCmpArgLen::Qword,
            operator,
            user_namespace,
        )?])
    };
    rules.insert(libc::SYS_clone, vec![with_namespace()?]);
    rules.insert(libc::SYS_unshare, vec![with_namespace()?]);
    let typing = [TIOCSTI, TIOCLINUX].map(|command| SeccompRule::new(vec![equals(1, command)?]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

fn compare(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn differs(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    compare(argument, SeccompCmpOp::Ne, value)
}

fn equals(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    compare(argument, SeccompCmpOp::Eq, value)
}

/// Other architectures' calls end the process.
fn install(rules: Rules, errno: i32) -> Result<(), FloorError> {
    let mut all = rules.clone();
    if cfg!(target_arch = "x86_64") {
        all.extend(rules.into_iter().map(|(number, rules)| (number | X32, rules)));
    }
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(all, SeccompAction::Allow, action, architecture)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

    use super::*;

    #[test]
    fn families_beside_the_judged_namespaces_and_tracing_are_closed_and_ordinary_programs_run() {
        let confined = || {
            apply().unwrap();
            let open = |family, kind, protocol: Option<SockProtocol>| {
                socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol).map(drop)
            };
            for family in [AddressFamily::Packet, AddressFamily::Vsock, AddressFamily::Alg] {
                assert_eq!(open(family, SockType::Datagram, None), Err(Errno::EPERM), "{family:?}");
            }
            let audit = Some(SockProtocol::NetlinkAudit);
            assert_eq!(open(AddressFamily::Netlink, SockType::Raw, audit), Err(Errno::EPERM));
            let route = Some(SockProtocol::NetlinkRoute);
            assert_eq!(open(AddressFamily::Netlink, SockType::Raw, route), Ok(()));
            assert_eq!(open(AddressFamily::Inet, SockType::Stream, None), Ok(()));
            assert_eq!(unshare(CloneFlags::CLONE_NEWUSER), Err(Errno::EPERM));
            assert!(std::os::unix::net::UnixStream::pair().is_ok());
            assert!(std::process::Command::new("true").status().unwrap().success());
            assert!(std::thread::spawn(|| ()).join().is_ok());
        };
        std::thread::spawn(confined).join().unwrap();
    }
}
