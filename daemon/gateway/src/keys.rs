//! The daemon's keys: what each is for, since when, and how it is replaced.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use aa_audit::EPOCH_INTERVAL;
use aa_wire::event::Effect;
use aa_wire::vault::{KeyRotated, KeyRow};
use aa_wire::{Event, Timestamp, WireError};

use crate::control::Peer;
use crate::gateway::Gateway;
use crate::vault::strongroom::{Strongroom, told};
use crate::vault::{at, blocking};

const VAULT_MASTER: &str = "vault-master";
const VAULT_UNLOCK: &str = "vault-unlock";
const AUDIT_SIGNING: &str = "audit-signing";
const YEAR: u32 = 365;
const QUARTER: u32 = 90;

impl Gateway {
    /// All keys there are. Those of a vault nobody has opened yet are told as far as they are known.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRow>, WireError> {
        self.open_vault().await;
        let room = self.strongroom.clone();
        let mut rows = blocking(move || Ok(vault_keys(&room))).await?;
        rows.push(KeyRow {
            purpose: AUDIT_SIGNING.to_owned(),
            algorithm: "Ed25519".to_owned(),
            since: written(&self.settings.state_dir.join("audit-signing.key")),
            cadence_days: Some(QUARTER),
            by_command: false,
            note: "signs checkpoints of the audit log; no command replaces it yet".to_owned(),
        });
        rows.push(KeyRow {
            purpose: "audit-seal".to_owned(),
            algorithm: "HMAC-SHA256".to_owned(),
            since: None,
            cadence_days: None,
            by_command: false,
            note: format!(
                "replaced by itself every {} minutes, the old one erased",
                EPOCH_INTERVAL.as_secs() / 60
            ),
        });
        Ok(rows)
    }

    /// Replaces a key while all goes on.
    pub(crate) async fn rotate_key(&self, peer: Peer, purpose: &str) -> Result<KeyRotated, WireError> {
        let known = [VAULT_MASTER, VAULT_UNLOCK];
        if !known.contains(&purpose) {
            return Err(not_by_command(purpose));
        }
        let detail = format!("{purpose} by user {}", peer.uid);
        self.record_first(Event::lifecycle("key-rotate", Effect::Allowed, detail.clone()))
            .await?;
        let (room, master) = (self.strongroom.clone(), purpose == VAULT_MASTER);
        let begun = Instant::now();
        let rotated = blocking(move || {
            if !master {
                return room.replace_key().map(|()| 0);
            }
            let rotated = room.vault()?.rotate_master(SystemTime::now());
            rotated.map(|rotated| rotated.data_keys).map_err(|error| told(&error))
        });
        match rotated.await {
            Ok(rewrapped) => {
                let detail = format!("{purpose} is new, {rewrapped} data keys wrapped with it");
                self.record(Event::lifecycle("vault-change", Effect::Allowed, detail));
                Ok(KeyRotated {
                    purpose: purpose.to_owned(),
                    rewrapped,
                    took_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                })
            }
            Err(problem) => {
                let detail = format!("{detail}: {}", problem.message);
                self.record(Event::lifecycle("key-rotate", Effect::Denied, detail));
                Err(problem)
            }
        }
    }
}

/// What is known of them; waits for who opens the vault.
fn vault_keys(room: &Strongroom) -> Vec<KeyRow> {
    let (from, own) = (room.from(), room.owns_its_key());
    let state = room.opened().map(|vault| vault.key_state());
    let closed = if room.exists() {
        "the vault is not open"
    } else {
        "there is no vault yet"
    };
    let unfinished = state.as_ref().map_or(0, |state| state.older_masters);
    let note = match &state {
        None => closed.to_owned(),
        Some(_) if unfinished > 0 => format!("wraps the secrets' data keys; {unfinished} older still in use"),
        Some(_) => "wraps the secrets' data keys".to_owned(),
    };
    let swap = state.as_ref().and_then(|state| state.swappable.clone());
    let swap = swap.map_or_else(String::new, |why| format!("; its memory may be swapped: {why}"));
    let unlocked_by = state.as_ref().map_or("key", |state| state.unlocked_by);
    vec![
        KeyRow {
            purpose: VAULT_MASTER.to_owned(),
            algorithm: "AES-256-GCM".to_owned(),
            since: state.as_ref().map(|state| at(state.master_made)),
            cadence_days: Some(YEAR),
            by_command: true,
            note,
        },
        KeyRow {
            purpose: VAULT_UNLOCK.to_owned(),
            algorithm: if unlocked_by == "key" {
                "AES-256-GCM"
            } else {
                "Argon2id"
            }
            .to_owned(),
            since: state.as_ref().map(|state| at(state.unlocked_since)),
            cadence_days: Some(YEAR),
            by_command: own,
            note: format!("unlocks the vault's masters: {from}{swap}"),
        },
    ]
}

fn not_by_command(purpose: &str) -> WireError {
    let what = format!("no command replaces a key `{purpose}`");
    let problem = WireError::new("usage", what);
    match purpose {
        AUDIT_SIGNING => problem.hint(
            "the audit log signs with one key as long as it is written; aasm audit key --public keeps its public part",
        ),
        "audit-seal" => problem.hint("it is replaced by itself"),
        _ => problem.hint("aasm keys lists them"),
    }
}

/// When a file was last written; a key's is written once.
fn written(path: &Path) -> Option<Timestamp> {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let since = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Some(at(since.as_secs()))
}
