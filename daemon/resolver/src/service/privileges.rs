//! Giving up what a service of an ordinary user has left: capabilities, new privileges, being looked at, system calls.
//!
//! Runs before the first byte is read and before any thread is started: capabilities and seccomp are per thread and inherited.

use aa_wire::WireError;
use anyhow::{Context, Result, ensure};
use caps::CapSet;
use nix::unistd::{Uid, getresuid};

/// Who parses what agents write is nobody who may do anything: not root, and nobody who can become it.
pub(crate) fn refuse_root() -> Result<()> {
    let ids = getresuid().context("cannot read who this runs as")?;
    refuse(&[ids.real, ids.effective, ids.saved])?;
    Ok(())
}

fn refuse(ids: &[Uid]) -> Result<(), WireError> {
    if ids.iter().any(|id| id.is_root()) {
        let error = WireError::new("resolver-is-root", "aa-resolver does not run as root");
        return Err(error.hint(
            "systemctl start aa-resolver; by hand: setpriv --reuid aa-resolver --regid aa-resolver --clear-groups aa-resolver",
        ));
    }
    Ok(())
}

/// Gives everything up. Afterwards this process can read what its user can read, and speak by sockets of three families.
pub(crate) fn drop_all() -> Result<()> {
    nix::sys::prctl::set_no_new_privs().context("cannot refuse new privileges")?;
    let sets = [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ];
    for set in sets {
        caps::clear(None, set).with_context(|| format!("cannot clear the capability set {set:?}"))?;
    }
    for set in sets {
        let left = caps::read(None, set).context("cannot read back the capabilities")?;
        ensure!(left.is_empty(), "capabilities are left in the set {set:?}: {left:?}");
    }
    nix::sys::prctl::set_dumpable(false).context("cannot become undumpable")?;
    super::seccomp::apply().context("cannot restrict system calls")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_root_or_can_become_it_is_refused_with_a_hint() {
        let (root, other) = (Uid::from_raw(0), Uid::from_raw(900));
        for ids in [[root, other, other], [other, root, other], [other, other, root]] {
            assert!(refuse(&ids).unwrap_err().hint.unwrap().contains("systemctl start"));
        }
        assert_eq!(refuse(&[other; 3]), Ok(()));
    }
}
