//! Secrets and keys on the control socket. Values go to the daemon and never come back: no reply has a place for one.

use serde::{Deserialize, Serialize};

use crate::secret::SecretBytes;
use crate::time::Timestamp;

/// What can be asked of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VaultRequest {
    /// Keep a value: [`VaultReply::Kept`].
    Set {
        /// Under which name.
        name: String,
        /// What.
        value: SecretBytes,
        /// There must be one of this name already, and this is its next version.
        rotate: bool,
        /// For whom and until when.
        terms: Terms,
    },
    /// Keep what a dotenv file holds, all of it or nothing: [`VaultReply::Kept`].
    Import {
        /// The file.
        text: SecretBytes,
        /// Names that are there already get a next version.
        replace: bool,
        /// For whom and until when.
        terms: Terms,
    },
    /// What there is: [`VaultReply::Secrets`].
    List,
    /// Destroy a value: [`VaultReply::Revoked`].
    Revoke {
        /// Which secret.
        name: String,
        /// Which version; all of them if absent.
        version: Option<u32>,
    },
    /// Who may use a secret, and who did: [`VaultReply::Who`].
    Who {
        /// Which secret.
        name: String,
    },
    /// Open a vault that is locked by a passphrase: [`VaultReply::Unlocked`].
    Unlock {
        /// The passphrase.
        passphrase: SecretBytes,
    },
}

/// For whom a secret is and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Agents by name, `policy:NAME`, or `*`. Absent: as the version before, or nobody.
    pub agents: Option<Vec<String>>,
    /// Hosts it may be sent to: `api.example.com`, `*.example.com`, `*`. Absent: as the version before, or none.
    pub hosts: Option<Vec<String>>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// What the vault answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultReply {
    /// To `set` and `import`: the new versions.
    Kept(Vec<SecretRow>),
    /// To `list`, by name and version.
    Secrets(Vec<SecretRow>),
    /// To `revoke`: what was destroyed.
    Revoked(Vec<SecretRow>),
    /// To `who`.
    Who {
        /// All versions of the secret.
        versions: Vec<SecretRow>,
        /// Who used it since the daemon started.
        users: Vec<SecretUser>,
    },
    /// To `unlock`: how many secrets there are.
    Unlocked {
        /// Versions that are not revoked count as one secret.
        secrets: u64,
    },
}

/// A version of a secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRow {
    /// Its name.
    pub name: String,
    /// From 1.
    pub version: u32,
    /// `current`, `superseded`, `expired` or `revoked`.
    pub state: String,
    /// When it was given.
    pub made: Timestamp,
    /// By which user.
    pub by: u32,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// For which agents.
    pub agents: Vec<String>,
    /// For which hosts.
    pub hosts: Vec<String>,
    /// Its value is looked for in what agents say: it is neither too short or long for that nor an ordinary word or number.
    #[serde(default)]
    pub looked_for: bool,
}

/// Who used a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUser {
    /// The agent.
    pub agent: String,
    /// Its policy.
    pub policy: String,
    /// Where it was sent.
    pub host: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
}

/// A key of the daemon's, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// What it is for: `vault-master`, `audit-signing`, ...
    pub purpose: String,
    /// `AES-256-GCM`, `Ed25519`, ...
    pub algorithm: String,
    /// Since when it is used, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// After how many days it should be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cadence_days: Option<u32>,
    /// `aasm keys rotate` replaces it.
    pub by_command: bool,
    /// Where it comes from, how it is replaced otherwise, and what is wrong with it.
    pub note: String,
}

/// What came of replacing a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRotated {
    /// Which.
    pub purpose: String,
    /// Keys that were wrapped with it anew.
    pub rewrapped: u64,
    /// How long that took, microseconds.
    pub took_us: u64,
}
