//! Keys and what is done with them. Every key of AES-GCM here encrypts once, and so needs no other nonce than zero.
//!
//! NIST SP 800-38D, 8: no two encryptions under one key may have one nonce. Random nonces of 96 bits allow 2^32 of them (8.3), by a count that
//! would have to outlive crashes and, worse, a store that is restored from a copy. So no key is used twice instead: a version of a secret has a
//! random data key of its own, and what wraps it is derived from the master for that one time, by HKDF-SHA256 (RFC 5869) from 32 random bytes
//! of salt. Two equal salts in 2^64 wrappings have a chance of 2^-129; nothing has to be counted or remembered.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::VaultError;

/// The algorithms of this version: AES-256-GCM, keys for wrapping by HKDF-SHA256. Bound by every tag.
pub(crate) const AES_256_GCM: u8 = 1;
/// Bytes that a tag adds.
const TAG: usize = 16;
const WRAPPING: &[u8] = b"aa-vault: wraps one key, once";

/// 32 bytes that are erased when they are no longer needed.
pub(crate) type Key = Zeroizing<[u8; 32]>;

pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|_| VaultError::Randomness)?;
    Ok(bytes)
}

/// HMAC-SHA256 by a key of 32 bytes.
pub(crate) fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // As HMAC does with every key that is shorter than a block.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::<Sha256>::new((&*block).into())
}

fn code(key: &[u8; 32], parts: &[&[u8]]) -> Key {
    let mut mac = mac(key);
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// HKDF-SHA256 with one block of output.
pub(crate) fn derive(from: &[u8; 32], salt: &[u8; 32], purpose: &[u8]) -> Key {
    let extracted = code(salt, &[from]);
    code(&extracted, &[purpose, &[1]])
}

/// Encrypts, and binds what is said beside it. The key encrypts nothing else, ever: see the module.
pub(crate) fn seal(key: Key, beside: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    // With room for the tag, so that nothing of it is left where it grew.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + TAG));
    buffer.extend_from_slice(plain);
    let cipher = Aes256Gcm::new((&*key).into());
    let sealed = cipher.encrypt_in_place(&Nonce::default(), beside, &mut *buffer);
    drop(key);
    sealed.map_err(|_| VaultError::ValueSize { length: plain.len() })?;
    Ok(std::mem::take(&mut *buffer))
}

/// `None`: it is not what was encrypted, or not where it was.
pub(crate) fn open(key: &[u8; 32], beside: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let cipher = Aes256Gcm::new(key.into());
    cipher.decrypt_in_place(&Nonce::default(), beside, &mut *buffer).ok()?;
    Some(buffer)
}

/// A key under another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wrapped {
    salt: [u8; 32],
    key: [u8; 32],
    tag: [u8; TAG],
}

impl Wrapped {
    pub(crate) fn new(under: &[u8; 32], beside: &[u8], key: &[u8; 32]) -> Result<Self, VaultError> {
        let salt = *random()?;
        let sealed = seal(derive(under, &salt, WRAPPING), beside, key)?;
        let halves = sealed.split_first_chunk::<32>();
        let (key, tag) = halves.ok_or(VaultError::Internal("a wrapped key has a length of its own"))?;
        Ok(Self {
            salt,
            key: *key,
            tag: tag.try_into().map_err(|_| VaultError::Internal("a tag has 16 bytes"))?,
        })
    }

    pub(crate) fn open(&self, under: &[u8; 32], beside: &[u8]) -> Option<Key> {
        let mut sealed = [0; 32 + TAG];
        let from = self.key.iter().chain(&self.tag);
        for (to, from) in sealed.iter_mut().zip(from) {
            *to = *from;
        }
        let plain = open(&derive(under, &self.salt, WRAPPING), beside, &sealed)?;
        Some(Zeroizing::new(plain.as_slice().try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes: Vec<u8> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.try_into().unwrap()
    }

    /// The GCM specification, test case 14: a key and a nonce of zeros, a block of zeros.
    #[test]
    fn aes_256_gcm_is_that_of_the_specification() {
        let sealed = seal(Zeroizing::new([0; 32]), b"", &[0; 16]).unwrap();
        let expected: [u8; 32] = unhex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
        assert_eq!(sealed, expected);
        assert_eq!(*open(&[0; 32], b"", &sealed).unwrap(), [0; 16]);
        assert!(open(&[0; 32], b"x", &sealed).is_none());
    }

    /// RFC 4231, test case 2 has a shorter key, which HMAC pads with zeros as we do.
    #[test]
    fn the_code_is_hmac_sha256() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected: [u8; 32] = unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(*code(&key, &[b"what do ya want ", b"for nothing?"]), expected);
    }

    #[test]
    fn a_wrapped_key_opens_under_its_key_and_with_what_it_was_bound_to() {
        let key = random::<32>().unwrap();
        let wrapped = Wrapped::new(&[1; 32], b"here", &key).unwrap();
        assert_eq!(wrapped.open(&[1; 32], b"here").unwrap(), key);
        assert!(wrapped.open(&[2; 32], b"here").is_none());
        assert!(wrapped.open(&[1; 32], b"there").is_none());
        let again = Wrapped::new(&[1; 32], b"here", &key).unwrap();
        assert!(again.salt != wrapped.salt && again.key != wrapped.key);
    }
}
