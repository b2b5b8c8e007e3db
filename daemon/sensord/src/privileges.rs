//! What the sensor gives up once everything is attached and proven, and why it keeps the rest.
//!
//! Loading and attaching need much; writing tables needs little. The gateway is started again whenever it dies, and then
//! has to become its own user: what that takes is permitted and inheritable here, but never effective. The bounding set
//! is empty, so that nothing executed from here ever has more.

use std::collections::HashSet;

use caps::{CapSet, Capability};
use nix::sched::{CloneFlags, unshare};

/// Effective as long as the sensor runs.
const KEPT: [Capability; 6] = [
    // Tables are written by bpf(2); before 5.19 that takes it even with a descriptor in hand.
    Capability::CAP_BPF,
    // `/proc/PID/maps` of a governed process, for the names in a denial's stack.
    Capability::CAP_SYS_PTRACE,
    // `/proc/PID/map_files`, for the same: the file as it is mapped, whatever its name means by now.
    Capability::CAP_CHECKPOINT_RESTORE,
    // A mapped program that only its owner may read.
    Capability::CAP_DAC_READ_SEARCH,
    // A process that has more capabilities is moved to its agent's cgroup: before 6.6 the cpuset controller asks for it.
    Capability::CAP_SYS_NICE,
    // The kill switch, and a gateway that does not end.
    Capability::CAP_KILL,
];

/// What a gateway begins with and gives up: it owns its directories and socket, and becomes its user.
const FOR_THE_GATEWAY: [Capability; 4] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
];

/// A privilege could not be given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    #[error("cannot leave the host's network, IPC and UTS namespaces")]
    Namespaces(#[source] nix::Error),
    #[error("cannot change the {set:?} capabilities")]
    Capabilities {
        set: CapSet,
        source: caps::errors::CapsError,
    },
    #[error("cannot refuse new privileges")]
    NoNewPrivileges(#[source] nix::Error),
    #[error(transparent)]
    SystemCalls(#[from] crate::seccomp::SeccompError),
}

/// Gives up what only the start needed. Capabilities are a thread's own, and no other thread runs.
pub(crate) fn drop_what_the_start_needed() -> Result<(), PrivilegeError> {
    // Neither we nor the gateway, which inherits them, speak to anything but unix sockets with a path from here on.
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(PrivilegeError::Namespaces)?;
    let permitted = change(CapSet::Permitted, |set| caps::read(None, set))?;
    // A container may have given us less than we ask for; what then fails says so.
    let having = |wanted: &[Capability]| -> HashSet<Capability> {
        wanted.iter().copied().filter(|one| permitted.contains(one)).collect()
    };
    let (kept, for_the_gateway) = (having(&KEPT), having(&FOR_THE_GATEWAY));
    // In this order: nothing is inheritable that the bounding set does not hold, and cutting that takes SETPCAP.
    change(CapSet::Ambient, |set| caps::clear(None, set))?;
    change(CapSet::Inheritable, |set| caps::set(None, set, &for_the_gateway))?;
    change(CapSet::Bounding, |set| caps::clear(None, set))?;
    change(CapSet::Effective, |set| caps::set(None, set, &kept))?;
    let all = kept.union(&for_the_gateway).copied().collect();
    change(CapSet::Permitted, |set| caps::set(None, set, &all))?;
    nix::sys::prctl::set_no_new_privs().map_err(PrivilegeError::NoNewPrivileges)?;
    crate::seccomp::apply()?;
    tracing::debug!(?kept, ?for_the_gateway, "privileges given up");
    Ok(())
}

pub(crate) fn change<T>(
    set: CapSet,
    action: impl FnOnce(CapSet) -> Result<T, caps::errors::CapsError>,
) -> Result<T, PrivilegeError> {
    action(set).map_err(|source| PrivilegeError::Capabilities { set, source })
}
