//! The vault's values in what agents say: looked for by keyed hashes, in whatever encoding, and told as `vault/NAME`.
//!
//! The key is this process's own. Of a value nothing is kept but hashes, and those of a value that was destroyed until the gateway ends:
//! to find it longer than necessary harms nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aa_redact::{Engine, EngineError, KnownSecrets, Options, Redactor};
use aa_vault::{SecretId, Vault, VaultError};

/// Bytes that nothing but letters, or nothing but digits, must have to be looked for.
const TELLING: usize = 16;

/// What looks for secrets and personal data, shared by all streams that begin from now on.
#[derive(Clone)]
pub(crate) struct SharedEngine(Arc<Mutex<Inner>>);

struct Inner {
    engine: Arc<Engine>,
    known: KnownSecrets,
    /// Versions that are in it.
    learnt: BTreeSet<(SecretId, u32)>,
    /// What findings call them; there is one text for each name as long as the gateway lives.
    names: BTreeMap<String, &'static str>,
    /// What they would be called if they were in no vault, where their form says it.
    forms: BTreeMap<&'static str, &'static str>,
    /// Knows forms alone.
    plain: Arc<Engine>,
}

impl std::fmt::Debug for SharedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedEngine({} known secrets)", self.lock().learnt.len())
    }
}

impl SharedEngine {
    /// One that knows no secrets yet, and the key for those that come.
    pub(crate) fn new(key: [u8; 32]) -> Result<Self, EngineError> {
        let plain = Arc::new(Engine::new(&Options::default())?);
        let inner = Inner {
            engine: Arc::clone(&plain),
            known: KnownSecrets::new(key),
            learnt: BTreeSet::new(),
            names: BTreeMap::new(),
            forms: BTreeMap::new(),
            plain,
        };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    pub(crate) fn get(&self) -> Arc<Engine> {
        Arc::clone(&self.lock().engine)
    }

    /// What a finding would be called if its value were in no vault.
    pub(crate) fn form(&self, kind: &'static str) -> &'static str {
        self.lock().forms.get(kind).copied().unwrap_or(kind)
    }

    /// Whether a version is looked for.
    pub(crate) fn knows(&self, id: &SecretId, version: u32) -> bool {
        self.lock().learnt.contains(&(id.clone(), version))
    }

    /// Looks from now on for what the vault holds too. Takes a fifth of a second.
    pub(crate) fn learn(&self, vault: &Vault) -> Result<(), VaultError> {
        let mut inner = self.lock().copy();
        let before = inner.learnt.len();
        vault.each_value(|id, version, value| {
            let key = (id.clone(), version);
            if !KnownSecrets::takes(value.len()) || is_ordinary(value) || inner.learnt.contains(&key) {
                return;
            }
            let name = format!("vault/{}", id.name);
            let name = *inner
                .names
                .entry(name)
                .or_insert_with_key(|name| Box::leak(name.clone().into_boxed_str()));
            if let Some(form) = form(&inner.plain, value) {
                inner.forms.insert(name, form);
            }
            if inner.known.add_as(name, value).is_ok() {
                inner.learnt.insert(key);
            }
        })?;
        if inner.learnt.len() == before {
            return Ok(());
        }
        let options = Options {
            known: inner.known.clone(),
            ..Options::default()
        };
        let engine = Engine::new(&options).map_err(|_| VaultError::Internal("the detectors cannot be made"))?;
        inner.engine = Arc::new(engine);
        *self.lock() = inner;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The lock is not held while the engine is made: streams begin meanwhile.
    fn copy(&self) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            known: self.known.clone(),
            learnt: self.learnt.clone(),
            names: self.names.clone(),
            forms: self.forms.clone(),
            plain: Arc::clone(&self.plain),
        }
    }
}

/// What kind of secret a value is by its form.
fn form(plain: &Arc<Engine>, value: &[u8]) -> Option<&'static str> {
    let mut stream = Redactor::detector(plain);
    stream.push(value);
    stream.finish();
    stream.take_findings().first().map(|finding| finding.kind)
}

/// Words and numbers: files that are imported have `production` and `localhost` in them, and so has much of what agents say.
fn is_ordinary(value: &[u8]) -> bool {
    let letters = value.iter().all(u8::is_ascii_alphabetic);
    let digits = value.iter().all(u8::is_ascii_digit);
    (letters || digits) && value.len() < TELLING
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aa_redact::Redactor;
    use aa_vault::{Doer, Mode, NewSecret, Unlock, Value};

    use super::*;

    fn findings(engine: &SharedEngine, text: &[u8]) -> Vec<&'static str> {
        let mut stream = Redactor::detector(&engine.get());
        stream.push(text);
        stream.finish();
        stream.take_findings().iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn values_are_found_by_their_names_once_they_are_in_the_vault_and_their_older_versions_too() {
        let folder = tempfile::tempdir().unwrap();
        let (unlock, _) = Unlock::new_key().unwrap();
        let at = SystemTime::now();
        let vault = Vault::open(folder.path(), &unlock, at).unwrap();
        let engine = SharedEngine::new([7; 32]).unwrap();
        let set = |name: &str, value: &str| {
            let id = SecretId::new("default", name).unwrap();
            let new = NewSecret {
                id: &id,
                value: Value(value.as_bytes()),
                scope: None,
                expires: None,
            };
            vault.set(&[new], Mode::Replace, Doer { user: 0, at }).unwrap();
            engine.learn(&vault).unwrap();
        };
        assert!(findings(&engine, b"say open sesame to it").is_empty());
        set("DOOR", "open sesame");
        set("OTHER", "mellon and melon");
        set("SHORT", "1234");
        set("STAGE", "production");
        assert_eq!(findings(&engine, b"say open sesame to it"), ["vault/DOOR"]);
        assert_eq!(findings(&engine, b"{\"a\":\"mellon and melon\"}"), ["vault/OTHER"]);
        // base64 of `open sesame`.
        assert_eq!(findings(&engine, b"b3BlbiBzZXNhbWU="), ["vault/DOOR"]);
        assert!(findings(&engine, b"1234 is too short, production is a word").is_empty());
        assert!(engine.knows(&SecretId::new("default", "DOOR").unwrap(), 1));
        assert!(!engine.knows(&SecretId::new("default", "STAGE").unwrap(), 1));
        set("DOOR", "shut sesame");
        assert_eq!(
            findings(&engine, b"open sesame, shut sesame"),
            ["vault/DOOR", "vault/DOOR"]
        );
    }
}
