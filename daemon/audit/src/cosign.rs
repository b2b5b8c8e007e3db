//! A witness on another machine: it signs that a log it has seen only grew. C2SP tlog-cosignature 1.0, by Ed25519.
//!
//! ```text
//! — witness.example/w1 base64(id of the key, 4 bytes || seconds since 1970, 8 bytes, the highest first || signature)
//! ```
//!
//! Signed are `cosignature/v1`, `time SECONDS` and the checkpoint's text, a line each. A witness remembers the last checkpoint of each log, on
//! its disk before it tells anybody its signature: after a death it never signs two histories of one log.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::note::{Checkpoint, PublicKey, key_id, key_text, parse_key, split};
use crate::segment::sync_directory;
use crate::{AuditError, Proof, base64, keys};

/// In a key's text and id.
const COSIGNATURE: u8 = 4;
/// Bytes of a witness's state: a note for each of many logs.
const STATE_LIMIT: u64 = 64 << 20;

/// A witness as the public knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: VerifyingKey,
}

impl WitnessKey {
    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, key) = parse_key(text, COSIGNATURE)?;
        Some(Self { name, key })
    }

    /// Who it says it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it signed a note, seconds since 1970; `None` if it did not. Every line under its name and id must be right.
    pub fn time_of(&self, note: &str) -> Option<u64> {
        let (text, signatures) = split(note)?;
        let id = key_id(&self.name, COSIGNATURE, &self.key);
        let mut newest = None;
        for line in signatures.lines() {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let Some(bytes) = base64::decode(signature).filter(|bytes| name == self.name && bytes.starts_with(&id))
            else {
                continue;
            };
            let (time, signature) = bytes.get(id.len()..)?.split_first_chunk::<8>()?;
            let time = u64::from_be_bytes(*time);
            let signature = Signature::from_slice(signature).ok()?;
            self.key.verify_strict(signed(time, text).as_bytes(), &signature).ok()?;
            newest = newest.max(Some(time));
        }
        newest
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, COSIGNATURE, &self.key))
    }
}

fn signed(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Who signs, and what it has seen.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    public: WitnessKey,
    state: PathBuf,
    /// Held as long as this lives: one at a time.
    _lock: File,
    seen: Seen,
}

/// The last checkpoint of each log, by origin.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    logs: BTreeMap<String, String>,
}

impl Witness {
    /// Opens a witness: its key, which is made with `name` if it is not there, and what it has seen.
    ///
    /// # Errors
    /// Files that cannot be read or made, a key or state that is none, or another witness on the same state.
    pub fn open(key: &Path, state: &Path, name: &str) -> Result<Self, AuditError> {
        let lock_path = state.with_extension("lock");
        let failed = |error| AuditError::file("lock", &lock_path, error);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed)?;
        lock.try_lock().map_err(|_| AuditError::InUse(state.to_owned()))?;
        let secret = match keys::read_seed(key)? {
            Some(secret) => secret,
            None => keys::new_seed(key)?,
        };
        let seen = read_state(state)?;
        let key = SigningKey::from_bytes(&secret);
        let public = WitnessKey {
            name: name.to_owned(),
            key: key.verifying_key(),
        };
        Ok(Self {
            key,
            public,
            state: state.to_owned(),
            _lock: lock,
            seen,
        })
    }

    /// As the public knows it.
    pub fn public(&self) -> &WitnessKey {
        &self.public
    }

    /// Signs a checkpoint that a log's key signed: the first of a log as it is, another only with a proof that it begins with the
    /// last. The note with the signature.
    ///
    /// # Errors
    /// Why it is not signed, or the state cannot be written.
    pub fn cosign(&mut self, log: &PublicKey, shown: &Shown, time: u64) -> Result<String, AuditError> {
        let refused = |why: &str| AuditError::NoProof(why.to_owned());
        let checkpoint = shown.checkpoint().ok_or_else(|| refused("this holds no checkpoint"))?;
        if !checkpoint.is_signed_by(log) {
            return Err(refused("the checkpoint is not signed by the log's key"));
        }
        let last = self.seen.logs.get(log.name()).map(|note| Checkpoint::parse(note));
        match (last, shown) {
            (None, _) => {}
            (Some(None), _) => return Err(AuditError::Key(self.state.clone())),
            (Some(Some(last)), _) if last.size == checkpoint.size && last.root == checkpoint.root => {}
            (Some(Some(last)), _) if last.size == checkpoint.size => {
                return Err(refused(
                    "THE LOG HAS TWO HISTORIES: another checkpoint of the same size was signed before",
                ));
            }
            (Some(Some(last)), _) if last.size > checkpoint.size => {
                return Err(refused(&format!(
                    "a checkpoint about {} records was signed before",
                    last.size
                )));
            }
            (Some(Some(last)), Shown::Growth(proof)) => grows(&last, proof, log).map_err(refused)?,
            (Some(Some(last)), Shown::Checkpoint(_)) => {
                let why = format!(
                    "it takes a proof that the log begins with the {} records signed before: aasm audit prove --since",
                    last.size
                );
                return Err(refused(&why));
            }
        }
        self.seen.logs.insert(log.name().to_owned(), checkpoint.note.clone());
        write_state(&self.state, &self.seen)?;
        let (text, _) = split(&checkpoint.note).ok_or_else(|| refused("this is no note"))?;
        let signature = self.key.sign(signed(time, text).as_bytes()).to_bytes();
        let id = key_id(&self.public.name, COSIGNATURE, &self.public.key);
        let bytes = [&id[..], &time.to_be_bytes(), &signature].concat();
        Ok(format!(
            "{}— {} {}\n",
            checkpoint.note,
            self.public.name,
            base64::encode(&bytes)
        ))
    }
}

/// What a witness is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A note.
    Checkpoint(Checkpoint),
    /// And that it begins with an earlier one.
    Growth(Proof),
}

impl Shown {
    fn checkpoint(&self) -> Option<Checkpoint> {
        match self {
            Self::Checkpoint(checkpoint) => Some(checkpoint.clone()),
            Self::Growth(Proof::Consistency { checkpoint, .. }) => Checkpoint::parse(checkpoint),
            Self::Growth(Proof::Inclusion { .. }) => None,
        }
    }
}

/// The proof must begin with just what was signed before, not only with something the log signed.
fn grows(last: &Checkpoint, proof: &Proof, log: &PublicKey) -> Result<(), &'static str> {
    let Proof::Consistency { from, .. } = proof else {
        return Err("this is no proof that the log grew");
    };
    let from = Checkpoint::parse(from).ok_or("the proof's earlier checkpoint is none")?;
    if (from.size, from.root) != (last.size, last.root) {
        return Err("the proof does not begin with the checkpoint that was signed before");
    }
    proof.check(log).map(|_| ())
}

fn read_state(path: &Path) -> Result<Seen, AuditError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(STATE_LIMIT).read_to_end(&mut bytes)) {
        Ok(_) => serde_json::from_slice(&bytes).map_err(|error| AuditError::file("read", path, error.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Seen::default()),
        Err(error) => Err(AuditError::file("read", path, error)),
    }
}

fn write_state(path: &Path, seen: &Seen) -> Result<(), AuditError> {
    let failed = |error| AuditError::file("write", path, error);
    let new = path.with_extension("new");
    let bytes = serde_json::to_vec(seen).map_err(|_| AuditError::Encode)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new("."))).map_err(failed)
}
