//! Giving up what a service of an ordinary user has left: capabilities, new privileges, being looked at. Its unit has the rest: system
//! calls, files, devices (`aa-courier.service`).
//!
//! Runs before the first byte is read and before any thread is started: capabilities are per thread and inherited.

use aa_wire::WireError;
use anyhow::{Context, Result, ensure};
use caps::CapSet;
use nix::unistd::getresuid;

/// Who speaks to the network is nobody who may do anything.
pub fn refuse_root() -> Result<()> {
    let ids = getresuid().context("cannot read who this runs as")?;
    if [ids.real, ids.effective, ids.saved].iter().any(|id| id.is_root()) {
        let error = WireError::new("courier-is-root", "aa-courier does not run as root");
        return Err(error.hint("systemctl start aa-courier").into());
    }
    Ok(())
}

/// Gives everything up.
pub fn drop_all() -> Result<()> {
    nix::sys::prctl::set_no_new_privs().context("cannot refuse new privileges")?;
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).with_context(|| format!("cannot clear the capability set {set:?}"))?;
        let left = caps::read(None, set).context("cannot read back the capabilities")?;
        ensure!(left.is_empty(), "capabilities are left in the set {set:?}: {left:?}");
    }
    nix::sys::prctl::set_dumpable(false).context("cannot become undumpable")
}
