//! The vault of this gateway: opened when it is first needed, its key kept no longer than that.
//!
//! All that is here waits for the disk, so it is called on threads that may.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aa_vault::{Unlock, Vault, VaultError};
use aa_wire::WireError;
use nix::unistd::geteuid;

use crate::privileges::Account;
use crate::settings::Settings;

use super::unlocking::{Material, read_own, take_next, write_next};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Strongroom(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    directory: PathBuf,
    inner: Mutex<Inner>,
    /// Whoever replaces the key's file.
    replacing: Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    material: Material,
    vault: Option<Arc<Vault>>,
}

impl Strongroom {
    pub(crate) fn new(directory: PathBuf, material: Material) -> Self {
        Self(Arc::new(Parts {
            directory,
            inner: Mutex::new(Inner { material, vault: None }),
            replacing: Mutex::new(()),
        }))
    }

    /// That of the settings. Called as root: credentials and keys are nobody else's.
    pub(crate) fn find(settings: &Settings, account: Option<Account>) -> Self {
        let owner = account.map_or(geteuid(), Account::uid);
        Self::new(settings.vault_dir(), Material::find(settings, owner))
    }

    /// Whether there is a vault on the disk.
    pub(crate) fn exists(&self) -> bool {
        self.0.directory.join("db").exists()
    }

    /// The vault if it is open.
    pub(crate) fn opened(&self) -> Option<Arc<Vault>> {
        self.lock().vault.clone()
    }

    /// Where the key comes from, in words.
    pub(crate) fn from(&self) -> String {
        match &self.lock().material {
            Material::Key { from, .. } => from.clone(),
            Material::OwnFile(path) => format!("{}, beside what it unlocks", path.display()),
            Material::Passphrase => "a passphrase".to_owned(),
            Material::Missing(problem) => problem.message.clone(),
        }
    }

    /// Whether the key can be replaced by this gateway.
    pub(crate) fn owns_its_key(&self) -> bool {
        matches!(self.lock().material, Material::OwnFile(_))
    }

    /// The vault; one is made if there is none.
    pub(crate) fn vault(&self) -> Result<Arc<Vault>, WireError> {
        let mut inner = self.lock();
        if let Some(vault) = &inner.vault {
            return Ok(Arc::clone(vault));
        }
        let vault = match &inner.material {
            Material::Key { unlock, older, .. } => self
                .open_or_relock(unlock, older.as_ref())
                .map_err(|error| told(&error))?,
            Material::OwnFile(path) => self.open_own(path)?,
            Material::Passphrase => {
                return Err(WireError::new("vault-locked", "the vault is locked").hint("aasm secret unlock"));
            }
            Material::Missing(problem) => return Err(problem.clone()),
        };
        let vault = Arc::new(vault);
        inner.vault = Some(Arc::clone(&vault));
        Ok(vault)
    }

    /// Opens it with a passphrase; the first one ever locks it.
    pub(crate) fn unlock(&self, passphrase: &[u8]) -> Result<Arc<Vault>, WireError> {
        let mut inner = self.lock();
        if !matches!(inner.material, Material::Passphrase) {
            return Err(WireError::new("vault-key", "the vault is not locked by a passphrase")
                .hint("`vault_key = \"passphrase\"` in [gateway] of config.toml, before the first secret"));
        }
        let unlock = Unlock::parse_passphrase(passphrase).map_err(|error| told(&error))?;
        let vault = Arc::new(self.open(&unlock).map_err(|error| told(&error))?);
        inner.vault = Some(Arc::clone(&vault));
        Ok(vault)
    }

    fn open(&self, unlock: &Unlock) -> Result<Vault, VaultError> {
        Vault::open(&self.0.directory, unlock, SystemTime::now())
    }

    /// With the key that it is to have; where that is new, with the one before, which it then replaces.
    fn open_or_relock(&self, unlock: &Unlock, older: Option<&Unlock>) -> Result<Vault, VaultError> {
        let refused = match self.open(unlock) {
            Err(error @ VaultError::WrongKey { .. }) => error,
            opened => return opened,
        };
        let vault = match older.map(|key| self.open(key)) {
            Some(Ok(vault)) => vault,
            None | Some(Err(VaultError::WrongKey { .. })) => return Err(refused),
            Some(Err(error)) => return Err(error),
        };
        vault.relock(unlock, SystemTime::now())?;
        tracing::info!("the vault is unlocked by a new key from now on; the one before is of no use any more");
        Ok(vault)
    }

    fn open_own(&self, path: &std::path::Path) -> Result<Vault, WireError> {
        let keys = read_own(path)?;
        let mut refused = None;
        for (place, key) in keys.iter().enumerate() {
            match self.open(key) {
                Ok(vault) if place == 0 && path.exists() => return Ok(vault),
                // Its replacement was under way when a gateway ended.
                Ok(vault) => return take_next(path).map(|()| vault),
                Err(error @ VaultError::WrongKey { .. }) => refused = Some(error),
                Err(error) => return Err(told(&error)),
            }
        }
        if let Some(error) = refused {
            return Err(told(&error));
        }
        if self.exists() {
            let gone = WireError::new("vault-key", "the key that unlocks the vault is gone").because(path.display());
            return Err(
                gone.hint("restore it from a copy; without it nobody reads the vault: then move its directory away")
            );
        }
        // On the disk before anything is locked with it.
        let key = write_next(path)?;
        take_next(path)?;
        self.open(&key).map_err(|error| told(&error))
    }

    /// A new key in the gateway's own file. A death at any step leaves one that opens the vault in one of two places.
    pub(crate) fn replace_key(&self) -> Result<(), WireError> {
        let path = match &self.lock().material {
            Material::OwnFile(path) => path.clone(),
            _ => return Err(WireError::new("vault-key", "the key is not this daemon's to replace")),
        };
        let _one = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let vault = self.vault()?;
        let next = write_next(&path)?;
        vault.relock(&next, SystemTime::now()).map_err(|error| told(&error))?;
        take_next(&path)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As clients are told.
pub(crate) fn told(error: &VaultError) -> WireError {
    let code = match error {
        VaultError::Store(_) | VaultError::Damaged { .. } | VaultError::Format { .. } => "vault-damaged",
        VaultError::WrongKey { .. } | VaultError::OtherWay { .. } | VaultError::BadKey { .. } => "vault-key",
        VaultError::BadName(_)
        | VaultError::BadAgent(_)
        | VaultError::BadHost(_)
        | VaultError::ValueSize { .. }
        | VaultError::ShortPassphrase { .. } => "usage",
        VaultError::Unknown(_) | VaultError::UnknownVersion(..) => "no-such-secret",
        VaultError::Exists(_) => "secret-exists",
        _ => "vault-failing",
    };
    let problem = WireError::from_error(code, error);
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(folder: &std::path::Path) -> Strongroom {
        Strongroom::new(folder.join("vault"), Material::OwnFile(folder.join("vault.key")))
    }

    #[test]
    fn the_key_is_made_with_the_vault_and_a_vault_without_its_key_is_not_replaced_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = room(folder.path());
        assert!(!first.exists() && first.opened().is_none());
        first.vault().unwrap();
        assert!(first.exists());
        drop(first);
        room(folder.path()).vault().unwrap();
        std::fs::remove_file(folder.path().join("vault.key")).unwrap();
        let problem = room(folder.path()).vault().unwrap_err();
        assert_eq!(problem.code, "vault-key");
        assert!(problem.message.contains("is gone"), "{problem}");
    }

    #[test]
    fn a_replaced_key_opens_wherever_the_replacement_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        room(folder.path()).replace_key().unwrap();
        room(folder.path()).vault().unwrap();
        // Written, and not taken by the vault.
        write_next(&path).unwrap();
        room(folder.path()).vault().unwrap();
        // Taken, and not in its place.
        let vault = room(folder.path()).vault().unwrap();
        let next = write_next(&path).unwrap();
        vault.relock(&next, SystemTime::now()).unwrap();
        drop(vault);
        room(folder.path()).vault().unwrap();
        assert!(!folder.path().join("vault.key.new").exists());
        room(folder.path()).vault().unwrap();
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_one_before_if_that_is_there_too() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (Unlock::new_key().unwrap().0, Unlock::new_key().unwrap().0);
        let open = |unlock: &Unlock, older: Option<&Unlock>| {
            let material = Material::Key {
                unlock: unlock.clone(),
                from: "a test".to_owned(),
                older: older.cloned(),
            };
            Strongroom::new(folder.path().join("vault"), material).vault().map(drop)
        };
        open(&old, None).unwrap();
        assert_eq!(open(&new, None).unwrap_err().code, "vault-key");
        open(&new, Some(&old)).unwrap();
        open(&new, None).unwrap();
        assert_eq!(open(&old, None).unwrap_err().code, "vault-key");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        drop(room(folder.path()).vault().unwrap());
        let path = folder.path().join("vault.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let problem = room(folder.path()).vault().unwrap_err();
        assert!(problem.message.contains("can be read by others"), "{problem}");
    }

    #[test]
    fn a_passphrase_unlocks_and_until_then_it_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let room = || Strongroom::new(folder.path().join("vault"), Material::Passphrase);
        let first = room();
        assert_eq!(first.vault().unwrap_err().code, "vault-locked");
        assert_eq!(first.unlock(b"short").unwrap_err().code, "usage");
        first.unlock(b"long enough for this\n").unwrap();
        first.vault().unwrap();
        drop(first);
        let second = room();
        assert_eq!(second.unlock(b"another of that length").unwrap_err().code, "vault-key");
        second.unlock(b"long enough for this").unwrap();
    }
}
