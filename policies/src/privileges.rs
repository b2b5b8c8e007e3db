//! What no governed process may do unless its policy lists it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A way to get at more of the kernel, or at somebody else's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Running a program that gives its owner's or group's rights (set-user-ID, set-group-ID) or capabilities of its own.
    Setuid,
    /// Becoming root of a user namespace of one's own.
    Userns,
    /// Setting up an io_uring. Each of its requests is judged as the system call it stands for.
    IoUring,
}

impl Privilege {
    /// All of them, in the order of the kernel's `enum aa_privilege`.
    pub const ALL: [Self; 3] = [Self::Setuid, Self::Userns, Self::IoUring];

    /// As policies write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Setuid => "setuid",
            Self::Userns => "userns",
            Self::IoUring => "io_uring",
        }
    }

    /// The one that is written so.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|privilege| privilege.word() == word)
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
