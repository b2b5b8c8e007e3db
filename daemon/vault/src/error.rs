//! What can fail with a vault. No message holds a value.

use std::path::PathBuf;

use aa_store::StoreError;

/// What failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    /// What the store says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was written by another version.
    #[error("the vault in {} has format {format}, and this reads {}", directory.display(), crate::FORMAT)]
    Format {
        /// Where it is.
        directory: PathBuf,
        /// Its format.
        format: u8,
    },
    /// What it holds is not what was written.
    #[error("the vault in {} is damaged: {what}", directory.display())]
    Damaged {
        /// Where it is.
        directory: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The key is not that of this vault.
    #[error("the vault in {} was locked with another {what}", directory.display())]
    WrongKey {
        /// Where it is.
        directory: PathBuf,
        /// `key` or `passphrase`.
        what: &'static str,
    },
    /// A passphrase is wanted and a key was given, or the other way round.
    #[error("the vault in {} is opened by a {wanted}", directory.display())]
    OtherWay {
        /// Where it is.
        directory: PathBuf,
        /// `key` or `passphrase`.
        wanted: &'static str,
    },
    /// A key's text or file.
    #[error("a key has 32 bytes, or 64 hexadecimal digits; this has {length} bytes")]
    BadKey {
        /// How many it has.
        length: usize,
    },
    /// Too easily guessed.
    #[error(
        "a passphrase has {} bytes at least, this has {length}",
        crate::unlock::SHORTEST_PASSPHRASE
    )]
    ShortPassphrase {
        /// How many it has.
        length: usize,
    },
    /// A name.
    #[error(
        "`{0}` cannot be a secret's name: 1 to 128 letters, digits, `_`, `-` and `.`, the first of them a letter or `_`"
    )]
    BadName(String),
    /// An agent of a scope.
    #[error("`{0}` is no agent: a name, `policy:NAME`, or `*` for any")]
    BadAgent(String),
    /// A host of a scope.
    #[error("`{0}` is no destination: a host name, `*.` and one for all below it, or `*` for any")]
    BadHost(String),
    /// A value.
    #[error("a secret's value has 1 to {} bytes, this has {length}", crate::VALUE_LIMIT)]
    ValueSize {
        /// How many it has.
        length: usize,
    },
    /// Nothing of that name.
    #[error("there is no secret `{0}`")]
    Unknown(String),
    /// No such version of it.
    #[error("the secret `{0}` has no version {1} that could be revoked")]
    UnknownVersion(String, u32),
    /// It would be overwritten.
    #[error("there is a secret `{0}` already")]
    Exists(String),
    /// All that could be given is revoked.
    #[error("the secret `{0}` is revoked")]
    Revoked(String),
    /// Its time is over.
    #[error("the secret `{0}` has expired")]
    Expired(String),
    /// Not for this agent or destination.
    #[error("the secret `{0}` is not for that agent and destination")]
    OutOfScope(String),
    /// The access could not be recorded, so there was none.
    #[error("the access cannot be recorded: {0}")]
    Unrecorded(String),
    /// The machine gives no random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
    /// There is no memory for the passphrase's function, or the store's parameters of it are out of bounds.
    #[error("a key cannot be made of the passphrase: {0}")]
    Passphrase(String),
    /// It should not be.
    #[error("this should not be: {0}")]
    Internal(&'static str),
}

impl VaultError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Damaged { .. } | Self::Store(StoreError::Damaged { .. }) => {
                "nothing is given out of it; restore its directory from a copy together with its key, or move it away and import the secrets anew"
            }
            Self::WrongKey { .. } => {
                "give the key that it was made with; without that nobody reads it: then move its directory away and import anew"
            }
            Self::OtherWay { .. } => "set `vault_key` in config.toml to what the vault was made with",
            Self::Exists(_) | Self::Revoked(_) => "aasm secret rotate gives it a new value",
            Self::Unknown(_) => "aasm secret list; aasm secret set makes a new one",
            Self::BadKey { .. } => "head -c 32 /dev/urandom makes one",
            _ => return None,
        })
    }
}
