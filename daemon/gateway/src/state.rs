//! What the gateway must remember over its own death: which policy a generation was, and who an agent is.
//!
//! One JSON file, replaced as a whole: written beside, synced, renamed, the directory synced. It is a memory, not a
//! truth: without it records still come, only without names and rules.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
    pub(crate) texts: BTreeMap<String, String>,
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
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Replaces what was saved.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        let text = serde_json::to_vec(state)?;
        replace(&self.path(), &text)
    }
}

/// Replaces a file by new bytes: afterwards there is the old file or the new one, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
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
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(directory)?.sync_all()
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
    fn a_broken_file_is_no_reason_not_to_start() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gateway.json"), "{\"boot_id\": 3").unwrap();
        assert_eq!(StateFile::new(directory.path()).load("b").agents.len(), 0);
    }
}
