//! Values that providers print in their documentation. They are told as examples and left where they stand.
//!
//! Kept as hashes, so that neither this source nor the program that is made of it sets off anybody's scanner.

use sha2::{Digest, Sha256};

/// The first eight bytes of the SHA-256 of each, in order.
const DOCUMENTED: &[u64] = &include!("examples.in");

/// Whether it is one of them.
pub(crate) fn is_documented(value: &[u8]) -> bool {
    let hash = Sha256::digest(value);
    hash.first_chunk::<8>()
        .is_some_and(|head| DOCUMENTED.binary_search(&u64::from_be_bytes(*head)).is_ok())
}
