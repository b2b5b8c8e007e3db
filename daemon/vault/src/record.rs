//! What the store holds, as bytes. All of it comes from outside when a store is opened: [`Entry::decode`] is where it becomes a type.
//!
//! Each entry's key begins with a zero and a letter. Its value is postcard, and only the bytes that encoding it again would give are
//! taken. What is bound to what:
//!
//! | sealed | under | bound to |
//! |---|---|---|
//! | a master | the unlocking key | algorithm, its number, when it was made |
//! | a version's data key | a master | algorithm, the master's number, tenant, name, version, and all that is said of it: scope, times, by whom |
//! | a version's value | its data key | algorithm, tenant, name, version |

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::crypto::{AES_256_GCM, Wrapped, random, seal};
use crate::scope::{Scope, SecretId, SecretName};
use crate::unlock::Way;
use crate::{FORMAT, VALUE_LIMIT, VaultError};

/// Key and value of the store.
pub(crate) type Bytes = (Vec<u8>, Vec<u8>);

/// A secret's version.
pub(crate) type VersionKey = (SecretId, u32);

/// What there is to say of the vault itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) format: u8,
    pub(crate) way: Way,
    /// Of the unlocking key.
    pub(crate) key_name: [u8; 8],
    /// When that came.
    pub(crate) unlocked_by_it_since: u64,
    pub(crate) made: u64,
}

impl About {
    pub(crate) fn new(way: Way, key_name: [u8; 8], now: u64) -> Self {
        Self {
            format: FORMAT,
            way,
            key_name,
            unlocked_by_it_since: now,
            made: now,
        }
    }
}

/// What data keys are wrapped with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Master {
    pub(crate) algorithm: u8,
    /// Seconds since 1970.
    pub(crate) made: u64,
    pub(crate) wrapped: Wrapped,
}

impl Master {
    pub(crate) fn beside(id: u32, made: u64) -> Result<Vec<u8>, VaultError> {
        encode(&("aa-vault: master", AES_256_GCM, id, made))
    }
}

/// What is said of a version; all of it can be read without a key, and none of it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Seconds since 1970, as all times here.
    pub(crate) made: u64,
    /// The user that gave it.
    pub(crate) by: u32,
    pub(crate) scope: Scope,
    pub(crate) expires: Option<u64>,
    /// When and by whom; then there is no value any more.
    pub(crate) revoked: Option<(u64, u32)>,
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) algorithm: u8,
    pub(crate) said: Said,
    /// `None` when it is revoked.
    pub(crate) body: Option<Body>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// The master's number.
    pub(crate) master: u32,
    pub(crate) key: Wrapped,
    pub(crate) value: Vec<u8>,
}

impl Version {
    /// A value, encrypted with a key that is made for it and used for nothing else.
    pub(crate) fn new(
        key: &VersionKey,
        said: Said,
        master: (u32, &[u8; 32]),
        value: &[u8],
    ) -> Result<Self, VaultError> {
        if value.is_empty() || value.len() > VALUE_LIMIT {
            return Err(VaultError::ValueSize { length: value.len() });
        }
        let data_key = random::<32>()?;
        let wrapped = Wrapped::new(master.1, &Self::key_beside(key, &said, master.0)?, &data_key)?;
        let value = seal(data_key, &Self::value_beside(key)?, value)?;
        let body = Body {
            master: master.0,
            key: wrapped,
            value,
        };
        Ok(Self {
            algorithm: AES_256_GCM,
            said,
            body: Some(body),
        })
    }

    pub(crate) fn key_beside(key: &VersionKey, said: &Said, master: u32) -> Result<Vec<u8>, VaultError> {
        encode(&("aa-vault: data key", AES_256_GCM, master, key, said))
    }

    pub(crate) fn value_beside(key: &VersionKey) -> Result<Vec<u8>, VaultError> {
        encode(&("aa-vault: value", AES_256_GCM, key))
    }
}

/// What shows that these are all entries and the newest of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TallyMark {
    /// Changes of the vault so far.
    pub(crate) changes: u64,
    pub(crate) code: [u8; 32],
}

/// An entry of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    About(About),
    Master(u32, Master),
    Version(VersionKey, Box<Version>),
    Tally(TallyMark),
}

impl Entry {
    /// `None`: it is none of ours.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let entry = match key {
            [0, b'a'] => Self::About(postcard::from_bytes(value).ok()?),
            [0, b't'] => Self::Tally(postcard::from_bytes(value).ok()?),
            [0, b'm', id @ ..] => Self::Master(u32::from_be_bytes(id.try_into().ok()?), strict(value)?),
            [0, b's', id @ ..] => {
                let (names, version) = id.split_last_chunk::<4>()?;
                let mut names = names.split(|byte| *byte == 0).map(std::str::from_utf8);
                let (Some(Ok(tenant)), Some(Ok(name)), None) = (names.next(), names.next(), names.next()) else {
                    return None;
                };
                let id = SecretId::new(tenant, name).ok()?;
                Self::Version((id, u32::from_be_bytes(*version)), Box::new(strict(value)?))
            }
            _ => return None,
        };
        let sound = match &entry {
            Self::Master(_, master) => master.algorithm == AES_256_GCM,
            Self::Version((_, number), version) => {
                *number > 0
                    && version.algorithm == AES_256_GCM
                    && version.body.is_some() != version.said.revoked.is_some()
            }
            Self::About(_) | Self::Tally(_) => true,
        };
        let same = entry.encode().is_ok_and(|bytes| bytes.0 == key && bytes.1 == value);
        (sound && same).then_some(entry)
    }

    pub(crate) fn encode(&self) -> Result<Bytes, VaultError> {
        Ok(match self {
            Self::About(about) => (vec![0, b'a'], encode(about)?),
            Self::Tally(mark) => (vec![0, b't'], encode(mark)?),
            Self::Master(id, master) => (master_key(*id), encode(master)?),
            Self::Version(key, version) => (version_key(key), encode(version.as_ref())?),
        })
    }
}

pub(crate) fn master_key(id: u32) -> Vec<u8> {
    [&[0, b'm'], id.to_be_bytes().as_slice()].concat()
}

pub(crate) fn version_key((id, version): &VersionKey) -> Vec<u8> {
    let text = |name: &SecretName| name.as_str().as_bytes().to_vec();
    let number = version.to_be_bytes();
    let (tenant, name) = (text(&id.tenant), text(&id.name));
    [&[0, b's'], tenant.as_slice(), &[0], &name, &number].concat()
}

/// Numbers in postcard have longer forms too, and what is behind a value is ignored; neither is taken.
fn strict<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::take_from_bytes(bytes)
        .ok()
        .filter(|(_, rest)| rest.is_empty())
        .map(|(value, _)| value)
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, VaultError> {
    postcard::to_stdvec(value).map_err(|_| VaultError::Internal("an entry cannot be encoded"))
}
