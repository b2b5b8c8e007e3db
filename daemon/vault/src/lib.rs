//! The vault: secrets that are used in an agent's stead, and that it is never told.
//!
//! Every version of a secret is encrypted with a data key of its own (AES-256-GCM), that under a master key, and masters under the key that
//! unlocks the vault: a systemd credential, a file, or made of a passphrase ([`Unlock`]). What is bound to what is in `record`; why no nonce
//! repeats in `crypto`; how masters are rotated while others read in `rotation`; why nothing can be taken away or put back unnoticed in
//! `tally`.
//!
//! Names, scopes and times can be read without a key, and not be changed without it.
//!
//! Owner: [`Vault`]. It has no threads; who changes something waits for the disk on their own thread.

mod access;
mod crypto;
mod dotenv;
mod error;
mod memory;
mod record;
mod rotation;
mod scope;
mod state;
mod tally;
#[cfg(feature = "testing")]
pub mod testing;
mod unlock;
mod vault;

pub use access::{About, Access, Plain, Standing, User};
pub use dotenv::{DotenvError, Pair, parse_dotenv};
pub use error::VaultError;
pub use rotation::{KeyState, Rotated};
pub use scope::{Consumer, Scope, SecretId, SecretName};
pub use unlock::Unlock;
pub use vault::{Doer, KEPT_VERSIONS, Mode, NewSecret, Value, Vault};

/// Of the entries in the store.
pub const FORMAT: u8 = 1;
/// Bytes of the longest value.
pub const VALUE_LIMIT: usize = 64 << 10;

/// What the store's bytes are, for who tests the decoder.
#[doc(hidden)]
pub fn is_entry(key: &[u8], value: &[u8]) -> bool {
    record::Entry::decode(key, value).is_some()
}

#[cfg(test)]
mod tests;
