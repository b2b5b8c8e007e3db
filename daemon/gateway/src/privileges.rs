//! Giving everything up: user, capabilities, new privileges, being looked at, system calls. The network, IPC and UTS
//! namespaces come from the sensor, which has left the host's before it starts a gateway.
//!
//! Runs before any thread is started: capabilities and seccomp are per thread and inherited.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use caps::CapSet;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{Gid, Group, Uid, User, chown, geteuid, setgroups, setresgid, setresuid};

use crate::settings::Settings;

/// Whom the gateway becomes; `None` when it was not started as root and stays who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: Uid,
    gid: Gid,
}

impl Account {
    pub(crate) fn uid(self) -> Uid {
        self.uid
    }
}

/// Finds the account while the user database may still be read.
pub(crate) fn find_account(settings: &Settings) -> Result<Option<Account>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let found = User::from_name(&settings.user).context("cannot read the user database")?;
    let user = found.with_context(|| {
        format!(
            "there is no user `{}`; the package makes it: systemd-sysusers aa-sensord.conf",
            settings.user
        )
    })?;
    ensure!(
        !user.uid.is_root(),
        "the gateway may not run as root; `{}` has user id 0",
        settings.user
    );
    Ok(Some(Account {
        uid: user.uid,
        gid: user.gid,
    }))
}

/// Makes the directories the gateway writes to, owned by its account.
pub(crate) fn prepare_directories(settings: &Settings, account: Option<Account>) -> Result<()> {
    for directory in [&settings.state_dir, &settings.audit_dir] {
        match DirBuilder::new().recursive(true).mode(0o750).create(directory) {
            // It lies in one that is the gateway's already, where root without privilege makes nothing: the gateway will.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && account.is_some() => continue,
            made => made.with_context(|| format!("cannot make {}", directory.display()))?,
        }
        if let Some(account) = account {
            own_all(directory, account)?;
        }
    }
    // The socket's directory stays the starter's: the gateway must not replace the socket by another.
    let make = DirBuilder::new().recursive(true).mode(0o755).create(&settings.run_dir);
    make.with_context(|| format!("cannot make {}", settings.run_dir.display()))
}

/// The directory and what lies directly in it: a predecessor may have run as somebody else.
fn own_all(directory: &Path, account: Account) -> Result<()> {
    let mut paths: Vec<PathBuf> = vec![directory.to_owned()];
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    paths.extend(
        entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()))
            .map(|entry| entry.path()),
    );
    for path in paths {
        let owned = chown(&path, Some(account.uid), Some(account.gid));
        owned.with_context(|| format!("cannot give {} to the gateway's user", path.display()))?;
    }
    Ok(())
}

/// Binds the control socket: root and the control group may connect, nobody else.
pub(crate) fn bind_control_socket(settings: &Settings) -> Result<UnixListener> {
    let path = settings.control_socket();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the old {}", path.display()));
        }
        _ => {}
    }
    // Nobody may connect before the mode is right.
    let before = nix::sys::stat::umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(&path);
    nix::sys::stat::umask(before);
    let listener = listener.with_context(|| format!("cannot bind {}", path.display()))?;
    if geteuid().is_root() {
        if let Some(group) = Group::from_name(&settings.control_group).context("cannot read the group database")? {
            chown(&path, Some(Uid::from_raw(0)), Some(group.gid)).context("cannot chown the control socket")?;
        } else {
            tracing::warn!(
                group = settings.control_group,
                "no such group; only root can use the control socket"
            );
        }
    }
    let mode = Mode::from_bits_truncate(0o660);
    fchmodat(nix::fcntl::AT_FDCWD, &path, mode, FchmodatFlags::FollowSymlink)
        .context("cannot chmod the control socket")?;
    listener
        .set_nonblocking(true)
        .context("cannot prepare the control socket")?;
    Ok(listener)
}

/// Gives everything up. Afterwards this process can read what its user can read and speak to who connected.
pub(crate) fn drop_all(account: Option<Account>) -> Result<()> {
    nix::sys::prctl::set_no_new_privs().context("cannot refuse new privileges")?;
    if let Some(account) = account {
        drop_bounding_set()?;
        setgroups(&[account.gid]).context("cannot drop supplementary groups")?;
        setresgid(account.gid, account.gid, account.gid).context("cannot become the gateway's group")?;
        setresuid(account.uid, account.uid, account.uid).context("cannot become the gateway's user")?;
        for set in [
            CapSet::Ambient,
            CapSet::Inheritable,
            CapSet::Effective,
            CapSet::Permitted,
        ] {
            caps::clear(None, set).with_context(|| format!("cannot clear the capability set {set:?}"))?;
        }
        let left = caps::read(None, CapSet::Permitted).context("cannot read back the capabilities")?;
        ensure!(left.is_empty(), "capabilities are left: {left:?}");
        ensure!(
            nix::unistd::setuid(Uid::from_raw(0)).is_err(),
            "the gateway could become root again"
        );
    } else {
        tracing::warn!("not started as root: user and capabilities stay as they are");
    }
    nix::sys::prctl::set_dumpable(false).context("cannot become undumpable")?;
    crate::seccomp::apply().context("cannot restrict system calls")
}

fn drop_bounding_set() -> Result<()> {
    for capability in caps::all() {
        // Capabilities this kernel does not know are not in the set either.
        if caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false) {
            caps::drop(None, CapSet::Bounding, capability)
                .with_context(|| format!("cannot drop {capability} from the bounding set"))?;
        }
    }
    Ok(())
}
