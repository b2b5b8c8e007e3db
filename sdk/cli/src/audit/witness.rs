//! `aasm audit witness`: on another machine, signs that a log only grew.

use std::path::Path;

use aa_audit::{AuditError, Shown, Witness};
use aa_wire::{Timestamp, WireError};

use super::{not, read, read_checkpoint, read_public_key, unreadable};
use crate::cli::audit::WitnessArgs;
use crate::exit::Failure;
use crate::print;

pub(super) fn witness(arguments: &WitnessArgs) -> Result<(), Failure> {
    let opened = Witness::open(&arguments.key, &arguments.state, &arguments.name);
    let mut witness = opened.map_err(|error| told(&error))?;
    if arguments.public {
        print(&format!("{}\n", witness.public()));
        return Ok(());
    }
    let usage = || WireError::new("usage", "a log is known by its public key").hint("--log-key FILE");
    let log = read_public_key(arguments.log_key.as_deref().ok_or_else(usage)?)?;
    for file in &arguments.files {
        let now = Timestamp::now().unix_ns / 1_000_000_000;
        let note = witness.cosign(&log, &shown(file)?, now).map_err(|error| told(&error))?;
        print(&note);
    }
    Ok(())
}

/// A note, or a proof as JSON.
fn shown(file: &Path) -> Result<Shown, Failure> {
    let text = read(file)?;
    if text.trim_start().starts_with('{') {
        let proof = serde_json::from_str(&text).map_err(|_| not(file, "a proof", "aasm audit prove --since"))?;
        return Ok(Shown::Growth(proof));
    }
    read_checkpoint(file).map(Shown::Checkpoint)
}

fn told(error: &AuditError) -> WireError {
    match error {
        AuditError::NoProof(why) => WireError::new("not-signed", format!("not signed: {why}")),
        _ => unreadable(error),
    }
}
