//! What is given out of a vault: values, to who may have them and only once that is recorded; and everything else about secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::PoisonError;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::record::{Version, VersionKey};
use crate::scope::{Consumer, Scope, SecretId};
use crate::vault::unix;
use crate::{Vault, VaultError};

/// Uses of one secret that are remembered apart; more are counted together.
const USERS: usize = 256;

/// A value, erased when it is dropped. Shown as its length only.
pub struct Plain(pub(crate) Zeroizing<Vec<u8>>);

impl Plain {
    /// The value.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({} bytes)", self.0.len())
    }
}

/// An access that is about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Which secret.
    pub id: SecretId,
    /// Which version of it.
    pub version: u32,
    /// By which agent.
    pub agent: String,
    /// Under which policy.
    pub policy: String,
    /// To be sent where.
    pub host: String,
}

/// Who used a secret, since the vault was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The agent; empty for those that are not told apart any more, as are the next two.
    pub agent: String,
    /// Its policy.
    pub policy: String,
    /// Where it was sent.
    pub host: String,
    /// How often.
    pub count: u64,
    /// When last, seconds since 1970.
    pub last: u64,
}

/// By agent, policy and host.
pub(crate) type Uses = BTreeMap<(String, String, String), (u64, u64)>;

/// Whether a version can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the newest, and given out.
    Current,
    /// There is a newer one. It is looked for in what agents say, and given to nobody.
    Superseded,
    /// Its time is over.
    Expired,
    /// Its value is destroyed.
    Revoked,
}

impl Standing {
    /// As programs read it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What there is to say of a version. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Which.
    pub id: SecretId,
    /// Its number, from 1.
    pub version: u32,
    /// Whether it can be used.
    pub standing: Standing,
    /// When it was given, and by which user.
    pub made: (u64, u32),
    /// Until when it is given out.
    pub expires: Option<u64>,
    /// When and by which user it was revoked.
    pub revoked: Option<(u64, u32)>,
    /// For whom and for where it is.
    pub scope: Scope,
}

impl Vault {
    /// The current value of a secret, for an agent and a destination in its scope. It is given only if `record` records it.
    ///
    /// For who sends it on in the agent's stead; an agent is never told it.
    pub fn reveal(
        &self,
        id: &SecretId,
        consumer: &Consumer<'_>,
        now: SystemTime,
        record: impl FnOnce(&Access) -> Result<(), String>,
    ) -> Result<Plain, VaultError> {
        let (access, plain) = {
            let state = self.read();
            let name = || id.name.to_string();
            let (key, version) = state.last(id).ok_or_else(|| VaultError::Unknown(name()))?;
            // A stranger is told no more of it than that.
            if !version.said.scope.allows(consumer) {
                return Err(VaultError::OutOfScope(name()));
            }
            match standing(version, true, unix(now)) {
                Standing::Current => {}
                Standing::Expired => return Err(VaultError::Expired(name())),
                Standing::Revoked | Standing::Superseded => return Err(VaultError::Revoked(name())),
            }
            let plain = state.value(key)?;
            let plain = plain.ok_or(VaultError::Internal("a value that was opened before does not open"))?;
            let access = Access {
                id: id.clone(),
                version: key.1,
                agent: consumer.agent.to_owned(),
                policy: consumer.policy.to_owned(),
                host: consumer.host.to_string(),
            };
            (access, plain)
        };
        record(&access).map_err(VaultError::Unrecorded)?;
        self.note(access, unix(now));
        Ok(plain)
    }

    fn note(&self, access: Access, at: u64) {
        let mut all = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(access.id).or_default();
        let mut user = (access.agent, access.policy, access.host);
        if known.len() >= USERS && !known.contains_key(&user) {
            user = Default::default();
        }
        let (count, last) = known.entry(user).or_default();
        *count = count.saturating_add(1);
        *last = at;
    }

    /// Who used a secret since the vault was opened.
    pub fn users(&self, id: &SecretId) -> Vec<User> {
        let all = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(id).into_iter().flatten();
        let user = |((agent, policy, host), (count, last)): (&(String, String, String), &(u64, u64))| User {
            agent: agent.clone(),
            policy: policy.clone(),
            host: host.clone(),
            count: *count,
            last: *last,
        };
        known.map(user).collect()
    }

    /// All versions there are of the secrets of a tenant, by name and number.
    pub fn list(&self, tenant: &str, now: SystemTime) -> Vec<About> {
        let state = self.read();
        let mut newest: BTreeMap<&SecretId, u32> = BTreeMap::new();
        for (id, number) in state.versions.keys() {
            newest.insert(id, *number);
        }
        let own = state
            .versions
            .iter()
            .filter(|((id, _), _)| id.tenant.as_str() == tenant);
        let about = |(key, version): (&VersionKey, &Version)| {
            let is_newest = newest.get(&key.0) == Some(&key.1);
            About {
                id: key.0.clone(),
                version: key.1,
                standing: standing(version, is_newest, unix(now)),
                made: (version.said.made, version.said.by),
                expires: version.said.expires,
                revoked: version.said.revoked,
                scope: version.said.scope.clone(),
            }
        };
        own.map(about).collect()
    }

    /// Shows every value that is not revoked, older versions too: for who looks for them in what agents say. Each is erased behind the call.
    pub fn each_value(&self, mut show: impl FnMut(&SecretId, u32, &[u8])) -> Result<(), VaultError> {
        let state = self.read();
        for key in state.versions.keys() {
            if let Some(plain) = state.value(key)? {
                show(&key.0, key.1, plain.reveal());
            }
        }
        Ok(())
    }
}

fn standing(version: &Version, is_newest: bool, now: u64) -> Standing {
    if version.body.is_none() {
        Standing::Revoked
    } else if !is_newest {
        Standing::Superseded
    } else if version.said.expires.is_some_and(|end| end <= now) {
        Standing::Expired
    } else {
        Standing::Current
    }
}
