//! The two secrets of a log, each a file of mode 0600 in a directory that is not the log's.
//!
//! `audit-hmac.key` holds the key that records are sealed with now. A new epoch's key is made from it by HMAC and takes
//! its place: the old one is overwritten in memory and in the file, so that who comes into the daemon today can seal
//! nothing that was recorded in an earlier epoch. (A file system that copies on write, or a disk that does, keeps old
//! blocks for a while; that is beyond a file's owner.) Two places take turns, so that a death in between leaves one.
//!
//! `audit-signing.key` holds the Ed25519 seed that signs checkpoints. It does not change.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aa_wire::api::AuditKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::AuditError;
use crate::merkle::Hash;
use crate::note::{Signatory, hex, unhex};
use crate::segment::sync_directory;

/// In [`AuditKey::algorithm`].
pub(crate) const HMAC_SHA256: &str = "hmac-sha256";
const RATCHET: &[u8] = b"aa-audit: the key of the next epoch";
const SLOT_MAGIC: &[u8; 8] = b"AAKEY001";
const SLOT_BYTES: usize = 8 + 4 + 32 + 4;
/// Epochs a key may be behind the log: so often it could not be written while the log could.
const BEHIND_LIMIT: u32 = 1 << 16;

/// What the records of one epoch are sealed with.
pub(crate) struct EpochKey {
    epoch: u32,
    key: Zeroizing<[u8; 32]>,
    /// The key's schedule, worked out once.
    mac: Hmac<Sha256>,
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochKey(epoch {})", self.epoch)
    }
}

impl EpochKey {
    fn new(epoch: u32, key: Zeroizing<[u8; 32]>) -> Self {
        // As HMAC does with every key that is shorter than a block.
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(key.iter()) {
            *to = *from;
        }
        let mac = Hmac::<Sha256>::new((&*block).into());
        Self { epoch, key, mac }
    }

    /// As it was handed out; `None` if it is none of ours.
    pub(crate) fn from_handed(handed: &AuditKey) -> Option<Self> {
        let key = unhex(handed.key.reveal()).filter(|_| handed.algorithm == HMAC_SHA256)?;
        Some(Self::new(handed.epoch, Zeroizing::new(key)))
    }

    /// For who verifies from record `from` on.
    pub(crate) fn hand_out(&self, from: u64) -> AuditKey {
        AuditKey {
            algorithm: HMAC_SHA256.to_owned(),
            epoch: self.epoch,
            from,
            key: hex(&*self.key).into(),
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn tag(&self, chain: &Hash) -> Hash {
        let mut mac = self.mac.clone();
        mac.update(chain);
        mac.finalize().into_bytes().into()
    }

    /// The key of the next epoch; this one cannot be had from it.
    pub(crate) fn next(&self) -> Self {
        let mut mac = self.mac.clone();
        mac.update(RATCHET);
        let mut made: Hash = mac.finalize().into_bytes().into();
        let key = Zeroizing::new(made);
        made.zeroize();
        Self::new(self.epoch.saturating_add(1), key)
    }

    /// The same key, called that of another epoch, as only a forger would.
    #[cfg(test)]
    pub(crate) fn named(&self, epoch: u32) -> Self {
        Self::new(epoch, self.key.clone())
    }

    fn slot(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SLOT_BYTES));
        bytes.extend_from_slice(SLOT_MAGIC);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&*self.key);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn from_slot(bytes: &[u8]) -> Option<Self> {
        let (protected, crc) = bytes.split_last_chunk::<4>()?;
        let rest = protected.strip_prefix(SLOT_MAGIC)?;
        let (epoch, key) = rest.split_first_chunk::<4>()?;
        let sound = crc32fast::hash(protected) == u32::from_le_bytes(*crc);
        let key = Zeroizing::new(key.try_into().ok()?);
        sound.then(|| Self::new(u32::from_le_bytes(*epoch), key))
    }
}

/// Where the key of now is kept.
pub(crate) struct KeyFile {
    path: PathBuf,
    file: File,
}

impl KeyFile {
    /// Reads the key, and erases an older one that a death left beside it.
    fn open(path: &Path) -> Result<Option<(Self, EpochKey)>, AuditError> {
        let at = |operation| move |error| AuditError::file(operation, path, error);
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at("open")(error)),
        };
        let mut bytes = Zeroizing::new(vec![0; 2 * SLOT_BYTES]);
        file.read_exact_at(&mut bytes, 0).map_err(at("read"))?;
        let keys = bytes.chunks(SLOT_BYTES).filter_map(EpochKey::from_slot);
        let key = keys.max_by_key(EpochKey::epoch);
        let key = key.ok_or_else(|| AuditError::Key(path.to_owned()))?;
        let kept = Self {
            path: path.to_owned(),
            file,
        };
        kept.erase(key.epoch.wrapping_add(1))?;
        Ok(Some((kept, key)))
    }

    fn create(path: &Path, key: &EpochKey) -> Result<Self, AuditError> {
        let mut bytes = Zeroizing::new(vec![0; 2 * SLOT_BYTES]);
        let place = place(key.epoch);
        for (to, from) in bytes.iter_mut().skip(place).zip(key.slot().iter()) {
            *to = *from;
        }
        write_new(path, &bytes)?;
        let opened = OpenOptions::new().read(true).write(true).open(path);
        Ok(Self {
            path: path.to_owned(),
            file: opened.map_err(|error| AuditError::file("open", path, error))?,
        })
    }

    /// Writes the key of a new epoch, then erases that of the one before; each is on the disk before it goes on.
    pub(crate) fn replace(&self, key: &EpochKey) -> Result<(), AuditError> {
        self.write(&key.slot(), key.epoch)?;
        self.erase(key.epoch.wrapping_add(1))
    }

    fn erase(&self, epoch: u32) -> Result<(), AuditError> {
        self.write(&[0; SLOT_BYTES], epoch)
    }

    fn write(&self, slot: &[u8], epoch: u32) -> Result<(), AuditError> {
        let written = self.file.write_all_at(slot, place(epoch) as u64);
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|error| AuditError::file("write", &self.path, error))
    }
}

fn place(epoch: u32) -> usize {
    if epoch.is_multiple_of(2) { 0 } else { SLOT_BYTES }
}

/// A log's secrets, opened.
pub(crate) struct Keys {
    pub(crate) file: KeyFile,
    pub(crate) key: EpochKey,
    pub(crate) signatory: Signatory,
    /// What is new, if the log is not.
    pub(crate) replaced: Vec<String>,
}

impl Keys {
    /// Reads them, or makes what is not there. `log`: the epoch of the last record and whether it ends that epoch.
    pub(crate) fn open(directory: &Path, log: Option<(u32, bool)>) -> Result<Self, AuditError> {
        let mut replaced = Vec::new();
        let path = directory.join("audit-hmac.key");
        let needed = log.map_or(0, |(epoch, ended)| epoch.saturating_add(u32::from(ended)));
        let behind = |key: &EpochKey| {
            needed
                .checked_sub(key.epoch)
                .is_none_or(|behind| behind <= BEHIND_LIMIT)
        };
        let (file, key) = match KeyFile::open(&path)? {
            Some((file, mut key)) if behind(&key) => {
                if key.epoch < needed {
                    while key.epoch < needed {
                        key = key.next();
                    }
                    file.replace(&key)?;
                }
                (file, key)
            }
            _ => {
                let epoch = log.map_or(0, |(epoch, _)| epoch.saturating_add(1));
                if log.is_some() {
                    let what = format!(
                        "{} held no key of this log: epoch {epoch} begins with a new one",
                        path.display()
                    );
                    replaced.push(what);
                }
                let key = EpochKey::new(epoch, random()?);
                (KeyFile::create(&path, &key)?, key)
            }
        };
        let path = directory.join("audit-signing.key");
        let signatory = if let Some(seed) = read_seed(&path)? {
            Signatory::new(&seed)
        } else {
            let signatory = new_signatory(&path)?;
            if log.is_some() {
                let what = format!("{} held no key: checkpoints are signed by a new one", path.display());
                replaced.push(what);
            }
            signatory
        };
        Ok(Self {
            file,
            key,
            signatory,
            replaced,
        })
    }
}

fn new_signatory(path: &Path) -> Result<Signatory, AuditError> {
    Ok(Signatory::new(&*new_seed(path)?))
}

/// A new secret of a signature, in a file of its own.
pub(crate) fn new_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, AuditError> {
    let seed = random()?;
    let text = Zeroizing::new(hex(&*seed) + "\n");
    write_new(path, text.as_bytes())?;
    Ok(seed)
}

pub(crate) fn read_seed(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, AuditError> {
    let mut text = Zeroizing::new(String::with_capacity(128));
    let read = File::open(path).and_then(|file| file.take(128).read_to_string(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AuditError::file("read", path, error)),
    }
    let seed = unhex(text.trim_ascii_end()).ok_or_else(|| AuditError::Key(path.to_owned()))?;
    Ok(Some(Zeroizing::new(seed)))
}

fn random() -> Result<Zeroizing<[u8; 32]>, AuditError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| AuditError::Randomness)?;
    Ok(bytes)
}

/// A file that is there whole, or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), AuditError> {
    let at = |operation| move |error| AuditError::file(operation, path, error);
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(at("create"))?;
    file.write_all(bytes).map_err(at("write"))?;
    file.sync_all().map_err(at("sync"))?;
    fs::rename(&new, path).map_err(at("rename"))?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    sync_directory(parent).map_err(at("sync"))
}
