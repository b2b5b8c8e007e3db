//! The vault's requests. What is to be done is in the log before it is done, by name and by whom; values are nowhere but in the request, and
//! no answer has one. Who is governed does not get here: the control socket refuses it whatever it asks.

pub(crate) mod known;
pub(crate) mod strongroom;
pub(crate) mod unlocking;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aa_vault::{About, Doer, Mode, NewSecret, Scope, SecretId, Value, Vault, parse_dotenv};
use aa_wire::event::Effect;
use aa_wire::vault::{SecretRow, SecretUser, Terms, VaultReply, VaultRequest};
use aa_wire::{Event, SecretBytes, Timestamp, WireError};
use zeroize::Zeroizing;

use crate::control::Peer;
use crate::gateway::Gateway;
use known::SharedEngine;
use strongroom::told;

/// Whose secrets are those of the control socket.
pub(crate) const TENANT: &str = "default";

/// A name and a value that came in.
type Given = (SecretId, Zeroizing<Vec<u8>>);

impl Gateway {
    pub(crate) async fn vault_request(
        self: &Rc<Self>,
        peer: Peer,
        request: VaultRequest,
    ) -> Result<VaultReply, WireError> {
        let doer = Doer {
            user: peer.uid,
            at: SystemTime::now(),
        };
        match request {
            VaultRequest::Set {
                name,
                value,
                rotate,
                terms,
            } => {
                let given = vec![(named(&name)?, Zeroizing::new(value.reveal().to_vec()))];
                let (mode, action) = if rotate {
                    (Mode::Rotate, "secret-rotate")
                } else {
                    (Mode::New, "secret-set")
                };
                self.keep(action, given, mode, terms, doer).await
            }
            VaultRequest::Import { text, replace, terms } => {
                let mode = if replace { Mode::Replace } else { Mode::New };
                self.keep("secret-import", dotenv(&text)?, mode, terms, doer).await
            }
            VaultRequest::List => {
                // Who looks makes none.
                if !self.strongroom.exists() {
                    return Ok(VaultReply::Secrets(Vec::new()));
                }
                let listed = self.with_vault(move |vault| Ok(vault.list(TENANT, doer.at))).await?;
                Ok(VaultReply::Secrets(self.rows(&listed)))
            }
            VaultRequest::Revoke { name, version } => self.revoke(&name, version, doer).await,
            VaultRequest::Who { name } => self.who(&name).await,
            VaultRequest::Unlock { passphrase } => self.unlock(peer, passphrase).await,
        }
    }

    async fn keep(
        &self,
        action: &'static str,
        given: Vec<Given>,
        mode: Mode,
        terms: Terms,
        doer: Doer,
    ) -> Result<VaultReply, WireError> {
        let names: Vec<&str> = given.iter().map(|(id, _)| id.name.as_str()).collect();
        let detail = format!("{} by user {}{}", names.join(", "), doer.user, shown(&terms));
        let done = self.recorded(action, detail, move |vault| {
            let expires = terms.expires.map(|end| UNIX_EPOCH + Duration::from_nanos(end.unix_ns));
            let lists = (terms.agents, terms.hosts);
            let before = |id: &SecretId| vault.list(TENANT, doer.at).into_iter().rfind(|about| about.id == *id);
            let scope = |id: &SecretId| match &lists {
                (None, None) => Ok(None),
                (agents, hosts) => {
                    let before = before(id).map(|about| about.scope).unwrap_or_default();
                    let list = |list: &Option<Vec<String>>, before: &[String]| list.clone().unwrap_or(before.to_vec());
                    Scope::new(&list(agents, before.agents()), &list(hosts, before.hosts())).map(Some)
                }
            };
            let scopes = given.iter().map(|(id, _)| scope(id)).collect::<Result<Vec<_>, _>>()?;
            let new: Vec<NewSecret<'_>> = given
                .iter()
                .zip(&scopes)
                .map(|((id, value), scope)| NewSecret {
                    id,
                    value: Value(value),
                    scope: scope.as_ref(),
                    expires,
                })
                .collect();
            let change = vault.set(&new, mode, doer)?;
            let known = vault.list(TENANT, doer.at);
            let newest = |id: &SecretId| known.iter().rfind(|about| about.id == *id).cloned();
            Ok((change, given.iter().filter_map(|(id, _)| newest(id)).collect()))
        });
        Ok(VaultReply::Kept(done.await?))
    }

    async fn revoke(&self, name: &str, version: Option<u32>, doer: Doer) -> Result<VaultReply, WireError> {
        let id = named(name)?;
        let which = version.map_or("all versions".to_owned(), |version| format!("version {version}"));
        let detail = format!("{name} {which} by user {}", doer.user);
        let done = self.recorded("secret-revoke", detail, move |vault| {
            let live = |about: &About| about.id == id && about.revoked.is_none();
            let live: Vec<About> = vault.list(TENANT, doer.at).into_iter().filter(live).collect();
            let change = vault.revoke(&id, version, doer)?;
            let list = vault.list(TENANT, doer.at);
            let gone = |about: &&About| {
                about.revoked.is_some()
                    && live
                        .iter()
                        .any(|one| one.id == about.id && one.version == about.version)
            };
            Ok((change, list.iter().filter(gone).cloned().collect()))
        });
        Ok(VaultReply::Revoked(done.await?))
    }

    async fn who(&self, name: &str) -> Result<VaultReply, WireError> {
        let id = named(name)?;
        let found = move |vault: &Vault| {
            let list = vault.list(TENANT, SystemTime::now());
            let versions: Vec<About> = list.into_iter().filter(|about| about.id == id).collect();
            Ok((versions, vault.users(&id)))
        };
        let unknown = || told(&aa_vault::VaultError::Unknown(name.to_owned()));
        if !self.strongroom.exists() {
            return Err(unknown());
        }
        let (versions, users) = self.with_vault(found).await?;
        if versions.is_empty() {
            return Err(unknown());
        }
        let user = |user: &aa_vault::User| SecretUser {
            agent: user.agent.clone(),
            policy: user.policy.clone(),
            host: user.host.clone(),
            count: user.count,
            last: at(user.last),
        };
        Ok(VaultReply::Who {
            versions: self.rows(&versions),
            users: users.iter().map(user).collect(),
        })
    }

    async fn unlock(&self, peer: Peer, passphrase: SecretBytes) -> Result<VaultReply, WireError> {
        let detail = format!("by user {}", peer.uid);
        self.record_first(Event::lifecycle("vault-unlock", Effect::Allowed, detail.clone()))
            .await?;
        let (room, engine) = (self.strongroom.clone(), self.listening.engine().clone());
        let unlocked = blocking(move || {
            let vault = room.unlock(passphrase.reveal())?;
            engine.learn(&vault).map_err(|error| told(&error))?;
            drop(vault.finish_rotation());
            Ok(vault)
        });
        match unlocked.await {
            Ok(vault) => {
                let live = |about: &About| about.standing == aa_vault::Standing::Current;
                let secrets = vault.list(TENANT, SystemTime::now()).into_iter().filter(live).count();
                Ok(VaultReply::Unlocked {
                    secrets: secrets as u64,
                })
            }
            Err(problem) => {
                let detail = format!("{detail}: {}", problem.message);
                self.record(Event::lifecycle("vault-unlock", Effect::Denied, detail));
                Err(problem)
            }
        }
    }

    fn rows(&self, versions: &[About]) -> Vec<SecretRow> {
        let engine = self.listening.engine();
        versions.iter().map(|about| row(about, engine)).collect()
    }

    /// Changes the vault once that is in the log; the log then has the change's number too, or that it failed.
    async fn recorded(
        &self,
        action: &'static str,
        detail: String,
        act: impl FnOnce(&Vault) -> Result<(u64, Vec<About>), aa_vault::VaultError> + Send + 'static,
    ) -> Result<Vec<SecretRow>, WireError> {
        self.record_first(Event::lifecycle(action, Effect::Allowed, detail.clone()))
            .await?;
        let engine = self.listening.engine().clone();
        let learning = move |vault: &Vault| {
            let done = act(vault)?;
            // Who is told that it is kept may count on its being found.
            engine.learn(vault)?;
            Ok(done)
        };
        match self.with_vault(learning).await {
            Ok((change, done)) => {
                let detail = format!("{action}: change {change} is on the disk");
                self.record(Event::lifecycle("vault-change", Effect::Allowed, detail));
                Ok(self.rows(&done))
            }
            Err(problem) => {
                let detail = format!("{detail}: {}", problem.message);
                self.record(Event::lifecycle(action, Effect::Denied, detail));
                Err(problem)
            }
        }
    }

    pub(crate) async fn with_vault<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Vault) -> Result<T, aa_vault::VaultError> + Send + 'static,
    ) -> Result<T, WireError> {
        let room = self.strongroom.clone();
        blocking(move || act(room.vault()?.as_ref()).map_err(|error| told(&error))).await
    }

    /// Opens a vault that is there, so that damage is told at the start and not when a secret is needed, and ends a rotation that was
    /// cut short.
    pub(crate) async fn open_vault(&self) {
        if !self.strongroom.exists() {
            return;
        }
        let (room, engine) = (self.strongroom.clone(), self.listening.engine().clone());
        let opened = blocking(move || {
            let vault: Arc<Vault> = room.vault()?;
            engine.learn(&vault).map_err(|error| told(&error))?;
            let rotated = vault.finish_rotation().map_err(|error| told(&error))?;
            Ok(rotated)
        });
        match opened.await {
            Ok(rotated) if rotated.change > 0 => {
                let detail = format!(
                    "a rotation of the master that was cut short is done: {} data keys",
                    rotated.data_keys
                );
                self.record(Event::lifecycle("vault-change", Effect::Allowed, detail));
            }
            Ok(_) => {}
            // A person will do so.
            Err(problem) if problem.code == "vault-locked" => tracing::info!("the vault is locked: aasm secret unlock"),
            Err(problem) => {
                tracing::error!(%problem, "the vault cannot be opened");
                self.record(Event::lifecycle("vault", Effect::Denied, problem.message));
            }
        }
    }
}

fn named(name: &str) -> Result<SecretId, WireError> {
    SecretId::new(TENANT, name).map_err(|error| told(&error))
}

/// The pairs of a file; an error names lines, never what stands there.
fn dotenv(text: &SecretBytes) -> Result<Vec<Given>, WireError> {
    let bad =
        |what: String| WireError::new("usage", "the file cannot be imported, and nothing of it was").because(what);
    let text = std::str::from_utf8(text.reveal()).map_err(|_| bad("it is not UTF-8".to_owned()))?;
    let pairs = parse_dotenv(text).map_err(|error| bad(error.to_string()))?;
    if pairs.is_empty() {
        return Err(bad("it holds no `NAME=value`".to_owned()));
    }
    let id = |(name, value): aa_vault::Pair| Ok((named(name.as_str())?, value));
    pairs.into_iter().map(id).collect()
}

fn shown(terms: &Terms) -> String {
    let list = |what: &str, list: &Option<Vec<String>>| {
        let list = list.as_ref().map(|list| list.join(" "));
        list.map_or_else(String::new, |list| format!(", {what} {list}"))
    };
    let until = terms.expires.map_or_else(String::new, |end| format!(", until {end}"));
    format!(
        "{}{}{until}",
        list("agents", &terms.agents),
        list("hosts", &terms.hosts)
    )
}

fn row(about: &About, engine: &SharedEngine) -> SecretRow {
    SecretRow {
        name: about.id.name.to_string(),
        version: about.version,
        state: about.standing.code().to_owned(),
        made: at(about.made.0),
        by: about.made.1,
        expires: about.expires.map(at),
        revoked: about.revoked.map(|(when, _)| at(when)),
        agents: about.scope.agents().to_vec(),
        hosts: about.scope.hosts().to_vec(),
        looked_for: engine.knows(&about.id, about.version),
    }
}

/// Seconds since 1970.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp {
        unix_ns: seconds.saturating_mul(1_000_000_000),
    }
}

/// What waits for the disk waits on another thread.
pub(crate) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    let done = tokio::task::spawn_blocking(act).await;
    done.unwrap_or_else(|_| Err(WireError::new("internal", "the vault's thread failed")))
}
