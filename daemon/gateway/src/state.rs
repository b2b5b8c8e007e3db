//! What the gateway must remember over its own death: which policy a generation was, and who an agent is.
//!
//! One JSON file, replaced as a whole by a rename, and each policy's text in a file of its own, which never changes. It
//! outlives the gateway and not the boot, so nothing is synced. It is a memory, not a truth: without it records still
//! come, only without names and rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aa_wire::api::EnvironmentPaths;
use serde::{Deserialize, Serialize};

/// A state file larger than this is not read.
const FILE_LIMIT: u64 = 256 << 20;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// Numbers of another boot mean nothing.
    pub(crate) boot_id: String,
    /// Which rings the log's records come from.
    pub(crate) rings: RingsInLog,
    /// By the agent's number.
    pub(crate) agents: BTreeMap<u32, SavedAgent>,
    /// By generation.
    pub(crate) loads: BTreeMap<u32, SavedLoad>,
    /// Policy texts by digest.
    #[serde(skip)]
    pub(crate) texts: BTreeMap<String, Arc<str>>,
}

/// The kernel numbers records anew in new rings, so numbers in the log mean nothing before the first record of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RingsInLog {
    /// The kernel's number of the decisions ring.
    pub(crate) id: u32,
    /// The log's last event before them.
    pub(crate) after: u64,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedAgent {
    pub(crate) name: String,
    pub(crate) policy: String,
    /// The name of the slot its policy is in.
    pub(crate) slot_name: String,
}

/// One load of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedLoad {
    pub(crate) slot_name: String,
    pub(crate) slot: u32,
    pub(crate) digest: String,
    pub(crate) file_name: String,
    pub(crate) environment: Option<EnvironmentPaths>,
    /// The text was brought by a client: nobody else is governed by it, and no reload changes it.
    pub(crate) private: bool,
    /// Out of force; its records may still arrive.
    pub(crate) retired: bool,
}

/// Where the state is kept.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    directory: PathBuf,
}

impl StateFile {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("gateway.json")
    }

    fn text_path(&self, digest: &str) -> PathBuf {
        self.directory.join("texts").join(format!("{digest}.yaml"))
    }

    /// What was saved in this boot; nothing if there is no file, or one that cannot be read.
    pub(crate) fn load(&self, boot_id: &str) -> State {
        let fresh = State {
            boot_id: boot_id.to_owned(),
            ..State::default()
        };
        match self.read() {
            Ok(Some(state)) if state.boot_id == boot_id => state,
            Ok(_) => fresh,
            Err(error) => {
                tracing::warn!(path = %self.path().display(), %error, "the saved state is not readable; starting without");
                fresh
            }
        }
    }

    fn read(&self) -> io::Result<Option<State>> {
        let file = match File::open(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut text = Vec::new();
        file.take(FILE_LIMIT).read_to_end(&mut text)?;
        let mut state: State = serde_json::from_slice(&text)?;
        for load in state.loads.values() {
            // Without its text a load is one that is not known.
            if let Ok(text) = fs::read_to_string(self.text_path(&load.digest)) {
                state.texts.insert(load.digest.clone(), text.into());
            }
        }
        Ok(Some(state))
    }

    /// Replaces what was saved.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        self.save_texts(state)?;
        let beside = write_beside(&self.path(), &serde_json::to_vec(state)?)?.0;
        fs::rename(beside, self.path())
    }

    /// Those that are not there yet; removes those that no load is of.
    fn save_texts(&self, state: &State) -> io::Result<()> {
        let directory = self.directory.join("texts");
        fs::create_dir_all(&directory)?;
        let mut gone: BTreeSet<PathBuf> = fs::read_dir(&directory)?.flatten().map(|entry| entry.path()).collect();
        for (digest, text) in &state.texts {
            let path = self.text_path(digest);
            if !gone.remove(&path) {
                fs::rename(write_beside(&path, text.as_bytes())?.0, &path)?;
            }
        }
        gone.iter().try_for_each(fs::remove_file)
    }
}

/// Replaces a file by new bytes: afterwards there is the old file or the new one, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let (beside, file) = write_beside(path, bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(directory)?.sync_all()
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<(PathBuf, File)> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(&beside)?;
    file.write_all(bytes)?;
    Ok((beside, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_there_in_the_same_boot_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::new(directory.path());
        let mut state = file.load("boot-1");
        state.agents.insert(
            3,
            SavedAgent {
                name: "claude".into(),
                policy: "coding-agent".into(),
                slot_name: "coding-agent@1".into(),
            },
        );
        file.save(&state).unwrap();
        assert_eq!(file.load("boot-1"), state);
        assert_eq!(
            file.load("boot-2"),
            State {
                boot_id: "boot-2".into(),
                ..State::default()
            }
        );
    }

    #[test]
    fn texts_are_kept_as_long_as_a_load_is_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::new(directory.path());
        let load = |digest: &str| SavedLoad {
            slot_name: "p".into(),
            slot: 1,
            digest: digest.into(),
            file_name: "p.yaml".into(),
            environment: None,
            private: false,
            retired: false,
        };
        let mut state = file.load("boot-1");
        for (generation, digest) in [(1, "aa"), (2, "bb")] {
            state.loads.insert(generation, load(digest));
            state.texts.insert(digest.into(), format!("text of {digest}").into());
        }
        file.save(&state).unwrap();
        assert_eq!(file.load("boot-1"), state);
        state.loads.remove(&1);
        state.texts.remove("aa");
        file.save(&state).unwrap();
        assert_eq!(file.load("boot-1"), state);
        assert_eq!(fs::read_dir(directory.path().join("texts")).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_file_is_no_reason_not_to_start() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gateway.json"), "{\"boot_id\": 3").unwrap();
        assert_eq!(StateFile::new(directory.path()).load("b").agents.len(), 0);
    }
}
