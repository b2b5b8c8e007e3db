//! Entries of a store, for who tests the decoder.

use std::time::{Duration, SystemTime};

use crate::crypto::random;
use crate::record::{About, Bytes, Entry, Said, TallyMark, Version};
use crate::{Scope, SecretId, Unlock, VaultError};

/// One of each sort, by name.
pub fn entries() -> Result<Vec<(&'static str, Bytes)>, VaultError> {
    let key = (SecretId::new("default", "TOKEN")?, 3);
    let said = Said {
        made: 1_800_000_000,
        by: 1000,
        scope: Scope::new(&["claude".to_owned()], &["*.example.com".to_owned()])?,
        expires: Some(1_900_000_000),
        revoked: None,
    };
    let master = random::<32>()?;
    let version = Version::new(&key, said.clone(), (1, &master), b"a value")?;
    let revoked = Version {
        algorithm: version.algorithm,
        said: Said {
            revoked: Some((1_850_000_000, 0)),
            ..said
        },
        body: None,
    };
    let unlock = Unlock::parse_passphrase(b"long enough for this")?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let state = crate::vault::empty(&unlock, at)?;
    let (master, _) = crate::vault::new_master(&state, 1, at)?;
    let mark = TallyMark {
        changes: 7,
        code: [9; 32],
    };
    let about: About = state.about;
    let entries = [
        ("about", Entry::About(about)),
        ("master", master),
        ("version", Entry::Version(key.clone(), Box::new(version))),
        ("revoked", Entry::Version(key, Box::new(revoked))),
        ("tally", Entry::Tally(mark)),
    ];
    entries
        .into_iter()
        .map(|(name, entry)| Ok((name, entry.encode()?)))
        .collect()
}
