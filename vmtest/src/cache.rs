//! The local cache: package lists, packages, unpacked kernels, the image, console logs. Nothing in it is precious.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

/// The cache's directory.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens (and makes) the cache at AA_VMTEST_CACHE, else under XDG_CACHE_HOME, else under ~/.cache.
    pub(crate) fn open() -> Result<Self> {
        let root = std::env::var_os("AA_VMTEST_CACHE")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("XDG_CACHE_HOME").map(|dir| Path::new(&dir).join("aa-vmtest")))
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache/aa-vmtest")))
            .context("no place for the cache: set AA_VMTEST_CACHE")?;
        fs::create_dir_all(&root).with_context(|| format!("cannot make the cache {}", root.display()))?;
        let root = root
            .canonicalize()
            .with_context(|| format!("cannot resolve {}", root.display()))?;
        Ok(Self { root })
    }

    /// A directory in the cache, made if it is not there.
    pub(crate) fn dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }

    /// A path in the cache, whether it exists or not.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A scratch directory on the cache's file system, so that finished things can be renamed into place.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir> {
        let dir = self.dir("tmp")?;
        tempfile::tempdir_in(&dir).with_context(|| format!("cannot make a directory in {}", dir.display()))
    }

    /// Waits until no other aa-vmtest is filling the cache; the lock ends with the returned value.
    pub(crate) fn lock(&self) -> Result<Flock<File>> {
        let path = self.path("lock");
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("cannot lock {}", path.display()))
    }
}

/// Renames into place, replacing a directory that is in the way.
pub(crate) fn publish(finished: &Path, place: &Path) -> Result<()> {
    if place.is_dir() {
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(finished, place).with_context(|| format!("cannot move into place {}", place.display()))
}
