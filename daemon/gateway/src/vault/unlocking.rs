//! What unlocks the vault: found before privileges go, where only root can read it, and used after.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aa_vault::Unlock;
use aa_wire::WireError;
use nix::sys::stat::Mode;
use nix::unistd::{Uid, geteuid};
use zeroize::Zeroizing;

use crate::settings::{Settings, VaultKey};

/// The name of the systemd credential.
pub(crate) const CREDENTIAL: &str = "aa-sensord.vault";
/// Bytes of a key's file that are looked at.
const FILE_LIMIT: u64 = 4096;

/// Where the key comes from.
#[derive(Debug)]
pub(crate) enum Material {
    /// It was read.
    Key {
        unlock: Unlock,
        /// Told by `aasm keys`.
        from: String,
        /// One that may have unlocked the vault before; if it does it is replaced by this.
        older: Option<Unlock>,
    },
    /// A file of the gateway's own, made when the first secret comes.
    OwnFile(PathBuf),
    /// A person's.
    Passphrase,
    /// It cannot be had, and why.
    Missing(WireError),
}

impl Material {
    /// Looks where the settings say; a file is root's or that user's.
    pub(crate) fn find(settings: &Settings, owner: Uid) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self::find_among(settings, credentials.as_deref(), owner)
    }

    fn find_among(settings: &Settings, credentials: Option<&Path>, owner: Uid) -> Self {
        let credential = credentials.map(|folder| folder.join(CREDENTIAL));
        let credential = credential.filter(|path| path.exists());
        match (&settings.vault_key, credential) {
            (VaultKey::Auto | VaultKey::Credential, Some(path)) => {
                // What the service manager put there is root's, and of no use to anybody else.
                let from = format!("systemd credential {CREDENTIAL}");
                let older = read(&old_of(&path), |_| Ok(())).ok();
                read(&path, |_| Ok(())).map_or_else(Self::Missing, |unlock| Self::Key { unlock, from, older })
            }
            (VaultKey::Credential, None) => Self::Missing(
                WireError::new("vault-key", format!("there is no systemd credential `{CREDENTIAL}`")).hint(format!(
                    "head -c 32 /dev/urandom | sudo systemd-creds encrypt --name={CREDENTIAL} - /etc/credstore.encrypted/{CREDENTIAL}, \
                     with --with-key=tpm2 sealed by the TPM; and `LoadCredentialEncrypted={CREDENTIAL}` in a drop-in of the unit"
                )),
            ),
            (VaultKey::Auto, None) => Self::OwnFile(settings.state_dir.join("vault.key")),
            (VaultKey::File(path), _) => {
                let (from, old) = (path.display().to_string(), old_of(path));
                let older = read(&old, |metadata| private(&old, metadata, owner)).ok();
                let unlock = read(path, |metadata| private(path, metadata, owner));
                unlock.map_or_else(Self::Missing, |unlock| Self::Key { unlock, from, older })
            }
            (VaultKey::Passphrase, _) => Self::Passphrase,
        }
    }
}

/// Where who replaces a key by another leaves the one before.
fn old_of(path: &Path) -> PathBuf {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    PathBuf::from(old)
}

/// Nobody but its owner may read it.
fn private(path: &Path, metadata: &Metadata, owner: Uid) -> Result<(), WireError> {
    let mode = Mode::from_bits_truncate(metadata.mode());
    let others = mode.intersects(Mode::S_IRWXG | Mode::S_IRWXO);
    let of_owner = metadata.uid() == 0 || metadata.uid() == owner.as_raw();
    if !others && of_owner && metadata.is_file() {
        return Ok(());
    }
    let what = format!("{} can be read by others", path.display());
    Err(WireError::new("vault-key", what).hint(format!(
        "chown root {0}; chmod 0400 {0}; who has read it can read the vault: then give it another key, and the secrets new values",
        path.display()
    )))
}

fn read(path: &Path, check: impl FnOnce(&Metadata) -> Result<(), WireError>) -> Result<Unlock, WireError> {
    let failed = |error: io::Error| {
        let hint = format!("head -c 32 /dev/urandom > {0}; chmod 0400 {0}", path.display());
        let told = WireError::new("vault-key", "the key that unlocks the vault cannot be read")
            .because(format!("{}: {error}", path.display()));
        if error.kind() == ErrorKind::NotFound {
            told.hint(hint)
        } else {
            told
        }
    };
    let file = File::open(path).map_err(failed)?;
    check(&file.metadata().map_err(failed)?)?;
    let mut content = Zeroizing::new(Vec::with_capacity(256));
    file.take(FILE_LIMIT).read_to_end(&mut content).map_err(failed)?;
    Unlock::parse_key(&content)
        .map_err(|error| WireError::from_error("vault-key", &error).because(path.display().to_string()))
}

/// The key of the gateway's own file. If a replacement was under way, both may be there: the one that is in force first.
pub(crate) fn read_own(path: &Path) -> Result<Vec<Unlock>, WireError> {
    let mut keys = Vec::new();
    for path in [path.to_owned(), beside(path)] {
        if path.exists() {
            keys.push(read(&path, |metadata| private(&path, metadata, geteuid()))?);
        }
    }
    Ok(keys)
}

/// Where the next key waits until the vault takes it.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("key.new")
}

/// Makes a key and writes it beside, on the disk.
pub(crate) fn write_next(path: &Path) -> Result<Unlock, WireError> {
    let failed = |error: io::Error| {
        WireError::new("vault-key", "the key that unlocks the vault cannot be written")
            .because(format!("{}: {error}", beside(path).display()))
    };
    let (unlock, text) = Unlock::new_key().map_err(|error| WireError::from_error("vault-key", &error))?;
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(beside(path))
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    sync_folder(path).map_err(failed)?;
    Ok(unlock)
}

/// The key beside is the one in force.
pub(crate) fn take_next(path: &Path) -> Result<(), WireError> {
    let renamed = std::fs::rename(beside(path), path).and_then(|()| sync_folder(path));
    renamed.map_err(|error| {
        WireError::new("vault-key", "the new key of the vault is not in its place")
            .because(error)
            .hint(format!("it is found in {} at the next start", beside(path).display()))
    })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn found(vault_key: VaultKey, folder: &Path, credentials: Option<&Path>) -> Material {
        let settings = Settings {
            user: "aa-gateway".to_owned(),
            control_group: "aa-sensord".to_owned(),
            run_dir: folder.to_owned(),
            state_dir: folder.to_owned(),
            policy_dir: folder.to_owned(),
            audit_dir: folder.to_owned(),
            prices: folder.to_owned(),
            vault_key,
            retain_days: None,
            courier_user: String::new(),
            alerts: false,
            lock: None,
        };
        Material::find_among(&settings, credentials, geteuid())
    }

    #[test]
    fn a_credential_is_taken_where_there_is_one_and_missed_where_it_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let (auto, wanted) = (VaultKey::Auto, VaultKey::Credential);
        let material = found(auto.clone(), folder.path(), Some(folder.path()));
        assert!(
            matches!(&material, Material::OwnFile(path) if path.ends_with("vault.key")),
            "{material:?}"
        );
        let Material::Missing(problem) = found(wanted.clone(), folder.path(), Some(folder.path())) else {
            panic!("there is none")
        };
        assert!(problem.to_string().contains("systemd-creds encrypt"), "{problem}");
        // As systemd gives it out: read-only, and of the service's user.
        std::fs::write(folder.path().join(CREDENTIAL), [7; 32]).unwrap();
        for vault_key in [auto, wanted.clone()] {
            let material = found(vault_key, folder.path(), Some(folder.path()));
            assert!(
                matches!(&material, Material::Key { from, .. } if from.contains(CREDENTIAL)),
                "{material:?}"
            );
        }
        let old = folder.path().join("aa-sensord.vault.old");
        std::fs::write(&old, [6; 32]).unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o400)).unwrap();
        let material = found(wanted.clone(), folder.path(), Some(folder.path()));
        assert!(
            matches!(&material, Material::Key { older: Some(_), .. }),
            "{material:?}"
        );
        std::fs::write(folder.path().join(CREDENTIAL), b"too short").unwrap();
        let material = found(wanted, folder.path(), Some(folder.path()));
        assert!(
            matches!(&material, Material::Missing(problem) if problem.code == "vault-key"),
            "{material:?}"
        );
    }

    #[test]
    fn a_file_is_taken_if_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let find = || found(VaultKey::File(path.clone()), folder.path(), None);
        let Material::Missing(problem) = find() else {
            panic!("there is none")
        };
        assert!(problem.to_string().contains("head -c 32"), "{problem}");
        std::fs::write(&path, [7; 32]).unwrap();
        for (mode, taken) in [(0o400, true), (0o600, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(matches!(find(), Material::Key { .. }), taken, "{mode:o}");
        }
        assert!(matches!(
            found(VaultKey::Passphrase, folder.path(), None),
            Material::Passphrase
        ));
    }
}
