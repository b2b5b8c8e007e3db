//! What opens a vault: a key from elsewhere, or one made of a passphrase.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::crypto::{Key, derive, random};

/// Bytes of the shortest passphrase that is taken.
pub(crate) const SHORTEST_PASSPHRASE: usize = 12;
/// RFC 9106, 4: the second recommended choice, for machines where two gigabytes are too much.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// No store makes us take more memory than this.
const MOST_MEMORY_KIB: u32 = 2 << 20;
const MOST_PASSES: u32 = 64;

/// What is given to open a vault.
#[derive(Clone)]
pub enum Unlock {
    /// 32 random bytes, from a systemd credential or a file.
    Key(Zeroizing<[u8; 32]>),
    /// What a person knows.
    Passphrase(Zeroizing<Vec<u8>>),
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlock({})", self.what())
    }
}

impl Unlock {
    /// The content of a credential or a key's file: 32 bytes, or 64 hexadecimal digits and white space behind them.
    pub fn parse_key(content: &[u8]) -> Result<Self, VaultError> {
        if let Ok(key) = <[u8; 32]>::try_from(content) {
            return Ok(Self::Key(Zeroizing::new(key)));
        }
        let bad = || VaultError::BadKey { length: content.len() };
        let digits: &[u8; 64] = content.trim_ascii_end().try_into().map_err(|_| bad())?;
        let mut key = Zeroizing::new([0; 32]);
        for (to, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let mut digits = pair.iter().map(|digit| char::from(*digit).to_digit(16));
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(bad());
            };
            *to = u8::try_from(high * 16 + low).map_err(|_| bad())?;
        }
        Ok(Self::Key(key))
    }

    /// A passphrase; the end of its line does not belong to it.
    pub fn parse_passphrase(text: &[u8]) -> Result<Self, VaultError> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.len() < SHORTEST_PASSPHRASE {
            return Err(VaultError::ShortPassphrase { length: text.len() });
        }
        Ok(Self::Passphrase(Zeroizing::new(text.to_vec())))
    }

    /// A new key, and its text for a file.
    pub fn new_key() -> Result<(Self, Zeroizing<String>), VaultError> {
        let key = random::<32>()?;
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in key.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        text.push('\n');
        Ok((Self::Key(key), text))
    }

    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Passphrase(_) => "passphrase",
        }
    }

    /// How a vault that it is to open from now on is opened.
    pub(crate) fn way(&self) -> Result<Way, VaultError> {
        Ok(match self {
            Self::Key(_) => Way::Key,
            Self::Passphrase(_) => Way::Passphrase(Stretching {
                memory_kib: MEMORY_KIB,
                passes: PASSES,
                lanes: LANES,
                salt: *random()?,
            }),
        })
    }

    /// The key; `None` if a vault of that way is opened by something else.
    pub(crate) fn key(&self, way: &Way) -> Option<Result<Key, VaultError>> {
        match (self, way) {
            (Self::Key(key), Way::Key) => Some(Ok(key.clone())),
            (Self::Passphrase(text), Way::Passphrase(stretching)) => Some(stretching.stretch(text)),
            _ => None,
        }
    }
}

/// How a vault is opened; stands in its store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    Key,
    Passphrase(Stretching),
}

impl Way {
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Passphrase(_) => "passphrase",
        }
    }
}

/// Argon2id, RFC 9106.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretching {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
}

impl Stretching {
    fn stretch(&self, text: &[u8]) -> Result<Key, VaultError> {
        if self.memory_kib > MOST_MEMORY_KIB || self.passes > MOST_PASSES {
            return Err(VaultError::Passphrase(
                "its parameters are beyond all bounds".to_owned(),
            ));
        }
        let failed = |error: argon2::Error| VaultError::Passphrase(error.to_string());
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let mut key = Key::new([0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(text, &self.salt, &mut *key).map_err(failed)?;
        Ok(key)
    }
}

/// What tells one key from another and nothing else of it.
pub(crate) fn name_of(key: &[u8; 32]) -> [u8; 8] {
    let derived = derive(key, &[0; 32], b"aa-vault: names the key");
    derived.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_64_digits() {
        let (made, text) = Unlock::new_key().unwrap();
        let Unlock::Key(key) = &made else { panic!("{made:?}") };
        for content in [
            &key[..],
            text.as_bytes(),
            text.trim().as_bytes(),
            text.to_uppercase().as_bytes(),
        ] {
            let Unlock::Key(read) = Unlock::parse_key(content).unwrap() else {
                panic!("no key")
            };
            assert_eq!(&read, key);
        }
        for bad in [&b""[..], &[0; 31], &[0; 33], &[b'x'; 64], &[b'a'; 63]] {
            assert!(matches!(Unlock::parse_key(bad), Err(VaultError::BadKey { .. })));
        }
        assert_eq!(format!("{made:?}"), "Unlock(key)");
    }

    #[test]
    fn a_passphrase_has_twelve_bytes_at_least() {
        assert!(Unlock::parse_passphrase(b"eleven char\n").is_err());
        assert!(Unlock::parse_passphrase(b"twelve chars\n").is_ok());
    }

    /// As argon2-cffi, which is the reference program, makes it of the same: type ID, t 3, m 64, p 4, 32 bytes.
    #[test]
    fn a_passphrase_is_stretched_by_argon2id() {
        let mut stretching = Stretching {
            memory_kib: 64,
            passes: 3,
            lanes: 4,
            salt: *b"saltsaltsaltsalt",
        };
        let key = stretching.stretch(b"correct horse battery").unwrap();
        let expected = Unlock::parse_key(b"c1709d7900e115c31c7b41d158357431828d5b14c1092bd412eb46c90658ccd2").unwrap();
        assert!(matches!(expected, Unlock::Key(expected) if expected == key));
        stretching.memory_kib = u32::MAX;
        assert!(matches!(
            stretching.stretch(b"correct horse battery"),
            Err(VaultError::Passphrase(_))
        ));
    }
}
