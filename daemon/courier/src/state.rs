//! How far a rule has come: a file for each, replaced as a whole. What was sent and not written down is sent again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aa_audit::Place;
use aa_audit::note::{hex, unhex};
use aa_wire::alerts::DeadLetter;
use serde::{Deserialize, Serialize};

/// Dead letters that are kept; more are only counted.
pub const LETTERS: usize = 100;

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The last record that was looked at.
    pub after: u64,
    /// Its chain, hexadecimal.
    pub chain: Option<String>,
    /// Records that were received.
    pub delivered: u64,
    /// Records that were given up.
    pub dead: u64,
    /// Records that were gone before they were looked at.
    pub lost: u64,
    /// The last that were given up.
    pub letters: Vec<DeadLetter>,
}

impl State {
    /// Where to go on.
    pub fn place(&self) -> Place {
        Place {
            after: self.after,
            chain: self.chain.as_deref().and_then(unhex),
        }
    }

    /// Has come to a place.
    pub fn reach(&mut self, place: Place) {
        self.after = place.after;
        self.chain = place.chain.map(|chain| hex(&chain));
    }

    /// Gives records up.
    pub fn bury(&mut self, letter: DeadLetter) {
        self.dead = self.dead.saturating_add(letter.count);
        self.letters.push(letter);
        let excess = self.letters.len().saturating_sub(LETTERS);
        self.letters.drain(..excess);
    }
}

/// Where it is written down.
#[derive(Clone, Debug)]
pub struct StateFile(PathBuf);

impl StateFile {
    /// Of the rule of this name.
    pub fn new(directory: &Path, name: &str) -> Self {
        Self(directory.join(format!("{name}.json")))
    }

    /// `None` if nothing is written down yet.
    pub fn load(&self) -> io::Result<Option<State>> {
        match fs::read(&self.0) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces what is written down. It is not synced, so as not to have the log's disk wait: a power cut may bring an older one back, and
    /// records are sent again then.
    pub fn save(&self, state: &State) -> io::Result<()> {
        let new = self.0.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        fs::rename(&new, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_and_keeps_so_many_dead_letters() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::new(directory.path(), "soc");
        assert_eq!(file.load().unwrap(), None);
        let mut state = State::default();
        for record in 1..=250 {
            let letter = DeadLetter {
                record,
                count: 2,
                time: aa_wire::Timestamp::default(),
                attempts: 1,
                why: "x".into(),
            };
            state.bury(letter);
        }
        state.reach(Place {
            after: 251,
            chain: Some([7; 32]),
        });
        file.save(&state).unwrap();
        let read = file.load().unwrap().unwrap();
        assert_eq!(read, state);
        assert_eq!(
            (read.dead, read.letters.len(), read.letters[0].record),
            (500, LETTERS, 151)
        );
        assert_eq!(
            read.place(),
            Place {
                after: 251,
                chain: Some([7; 32])
            }
        );
        fs::write(directory.path().join("soc.json"), "{").unwrap();
        assert!(file.load().is_err());
    }
}
