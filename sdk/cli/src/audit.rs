//! `aasm audit`: the log checked, shown, proven and exported. All but `key`, and `verify` without anything said, read the
//! files alone: no daemon is needed, and none is believed.

mod formats;
mod hold;
mod ocsf;
mod rebuild;
mod search;
mod tail;
mod witness;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aa_audit::note::NOTE_LIMIT;
use aa_audit::{AuditError, Checkpoint, Checks, Proof, PublicKey, WitnessKey};
use aa_sdk::{Client, SdkError};
use aa_wire::api::{Reply, Request};
use aa_wire::{Event, Timestamp, WireError};

use crate::cli::audit::{AuditCommand, VerifyArgs};
use crate::exit::{FAILED, Failure};
use crate::table::pairs;
use crate::{print, print_json};

pub(crate) fn audit(socket: &Path, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(arguments) => verify(socket, &arguments),
        AuditCommand::Show { id, directory, output } => show(&directory.directory, id, output.json),
        AuditCommand::Prove { id, since, directory } => prove(&directory.directory, id, since.as_deref()),
        AuditCommand::Checkpoint(directory) => newest(&directory.directory).map(|newest| print(&newest.note)),
        AuditCommand::Key {
            public: true,
            directory,
        } => public_key(&directory.directory),
        AuditCommand::Key { public: false, .. } => secret_key(&mut Client::connect(socket)?),
        AuditCommand::Replay {
            offline,
            directory,
            output,
        } => rebuild::replay(socket, &directory.directory, offline, output.json),
        AuditCommand::Witness(arguments) => witness::witness(&arguments),
        AuditCommand::Hold(command) => hold::hold(&mut Client::connect(socket)?, command),
        AuditCommand::Tail {
            lines,
            follow,
            directory,
            output,
        } => tail::tail(&directory.directory, lines, follow, output.json),
        AuditCommand::Search { selection, output } => search::search(&selection, output.json),
        AuditCommand::Export { format, selection } => search::export(&selection, format),
    }
}

/// What went wrong with a log, and for some of it what to do.
pub(crate) fn unreadable(error: &AuditError) -> WireError {
    let problem = WireError::from_error("audit-unreadable", error);
    match error {
        AuditError::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => WireError {
            code: "not-permitted".to_owned(),
            ..problem.hint("the log is root's alone: sudo aasm ...")
        },
        AuditError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            problem.hint("give the directory of a log; `aasm status` names the daemon's")
        }
        _ => problem,
    }
}

fn verify(socket: &Path, arguments: &VerifyArgs) -> Result<(), Failure> {
    if let Some(proof) = &arguments.proof {
        return verify_proof(proof, arguments);
    }
    let keys = arguments.public_key.is_some() || arguments.hmac_key.is_some();
    let directory = match &arguments.directory {
        Some(directory) => directory.as_path(),
        None if keys || !arguments.checkpoint.is_empty() => Path::new(crate::cli::AUDIT_DIRECTORY),
        None => return verify_by_daemon(&mut Client::connect(socket)?, arguments.output.json),
    };
    let checks = Checks {
        live: aa_audit::is_being_written(directory),
        checkpoints: held(&arguments.checkpoint)?,
        public_key: arguments.public_key.as_deref().map(read_public_key).transpose()?,
        witness: arguments.witness.as_deref().map(read_witness).transpose()?,
        hmac_key: arguments.hmac_key.as_deref().map(read_json).transpose()?,
    };
    let report = aa_audit::verify(directory, &checks).map_err(|error| unreadable(&error))?;
    let sealed = checks.hmac_key.is_some().then_some(report.sealed);
    for (path, held) in checks.checkpoints.iter().filter(|(_, held)| held.size < report.removed) {
        // Nothing is wrong with it, and nothing is shown by it.
        eprintln!(
            "aasm: {} is about {} records that are removed: it is held against nothing",
            path.display(),
            held.size
        );
    }
    if let Some(((size, time), witness)) = report.witnessed.zip(checks.witness.as_ref()) {
        let time = Timestamp {
            unix_ns: time.saturating_mul(1_000_000_000),
        };
        eprintln!(
            "aasm: {} signed records 1 to {size} at {}",
            witness.name(),
            crate::secret::seconds(time)
        );
    }
    tell(&report.reply(), sealed, arguments.output.json)
}

fn verify_by_daemon(client: &mut Client, json: bool) -> Result<(), Failure> {
    let reply = client.request(Request::Verify)?;
    tell(&reply, None, json)
}

fn tell(reply: &Reply, sealed: Option<u64>, json: bool) -> Result<(), Failure> {
    let Reply::Verified { intact, .. } = reply else {
        return Err(SdkError::Unexpected.into());
    };
    if json {
        print_json(reply)?;
    } else {
        print(&verdict(reply, sealed));
    }
    if *intact { Ok(()) } else { Err(Failure::Code(FAILED)) }
}

fn verdict(reply: &Reply, sealed: Option<u64>) -> String {
    let Reply::Verified {
        records,
        bytes,
        last,
        removed,
        checkpoints,
        signed,
        findings,
        ..
    } = reply
    else {
        return String::new();
    };
    let word = if findings.is_empty() { "intact" } else { "NOT intact" };
    let mut lines = vec![
        format!("{word}: {records} records, {bytes} bytes, the last is number {last}"),
        match checkpoints {
            0 => "no signed checkpoint".to_owned(),
            count => format!("{count} signed checkpoints, up to record {signed}"),
        },
    ];
    if *removed > 0 {
        lines.push(format!(
            "records 1 to {removed} were removed by retention: a signed tombstone stands for them"
        ));
    }
    lines.extend(sealed.map(|sealed| format!("{sealed} records sealed with the key that was given")));
    lines.extend(findings.iter().map(|finding| format!("  {finding}")));
    lines.join("\n") + "\n"
}

fn verify_proof(path: &Path, arguments: &VerifyArgs) -> Result<(), Failure> {
    let proof: Proof = read_json(path)?;
    let usage = || WireError::new("usage", "a proof is checked by the log's public key").hint("--public-key FILE");
    let key = read_public_key(arguments.public_key.as_deref().ok_or_else(usage)?)?;
    match proof.check(&key) {
        Ok((what, event)) => {
            if arguments.output.json {
                print_json(&event)?;
            } else {
                let line = |event: &Event| crate::events::line(event) + "\n";
                print(&format!(
                    "proven: {what}\n{}",
                    event.as_ref().map(line).unwrap_or_default()
                ));
            }
            Ok(())
        }
        Err(why) => {
            print(&format!("NOT proven: {why}\n"));
            Err(Failure::Code(FAILED))
        }
    }
}

fn show(directory: &Path, id: u64, json: bool) -> Result<(), Failure> {
    let entry = aa_audit::find(directory, id).map_err(|error| unreadable(&error))?;
    let entry = entry.ok_or_else(|| WireError::new("no-such-event", format!("the log holds no record {id}")))?;
    if json {
        return print_json(&entry);
    }
    print(&(crate::events::line(&entry.event) + "\n"));
    print(&pairs(&[
        ("place", format!("{} byte {}", entry.segment.display(), entry.offset)),
        ("epoch", entry.epoch.to_string()),
        ("chain before", entry.previous),
        ("chain", entry.chain),
        ("seal", entry.tag),
        ("leaf", entry.leaf),
    ]));
    Ok(())
}

fn prove(directory: &Path, id: Option<u64>, since: Option<&Path>) -> Result<(), Failure> {
    let newest = newest(directory)?;
    let proof = match (id, since) {
        (Some(id), _) => aa_audit::prove(directory, id, &newest),
        (None, Some(since)) => aa_audit::prove_growth(directory, &read_checkpoint(since)?, &newest),
        (None, None) => return Err(WireError::new("usage", "say what is to be proven: ID, or --since FILE").into()),
    };
    let proof = proof.map_err(|error| {
        let problem = unreadable(&error);
        match (id, error) {
            (Some(id), AuditError::NoProof(_)) if id > newest.size => {
                problem.hint("a checkpoint follows within a minute, or when the daemon stops")
            }
            _ => problem,
        }
    })?;
    print_json(&proof)
}

fn newest(directory: &Path) -> Result<Checkpoint, Failure> {
    let newest = aa_audit::newest_checkpoint(directory).map_err(|error| unreadable(&error))?;
    newest.ok_or_else(|| {
        let what = format!("{} holds no checkpoint", directory.display());
        WireError::new("audit-unreadable", what).into()
    })
}

fn public_key(directory: &Path) -> Result<(), Failure> {
    let key = aa_audit::public_key(directory).map_err(|error| unreadable(&error))?;
    let none = || {
        WireError::new(
            "audit-unreadable",
            format!("{} holds no public key", directory.display()),
        )
    };
    print(&format!("{}\n", key.ok_or_else(none)?));
    Ok(())
}

fn secret_key(client: &mut Client) -> Result<(), Failure> {
    match client.request(Request::AuditKey)? {
        Reply::AuditKey(key) => print_json(&key),
        _ => Err(SdkError::Unexpected.into()),
    }
}

fn held(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Checkpoint)>, Failure> {
    let read = |path: &PathBuf| Ok((path.clone(), read_checkpoint(path)?));
    paths.iter().map(read).collect()
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint, Failure> {
    let text = read(path)?;
    // As `aasm audit checkpoint` printed it, or cut out of the log's file with its empty line.
    let text = format!("{}\n", text.trim_end());
    Checkpoint::parse(&text).ok_or_else(|| not(path, "a checkpoint", "aasm audit checkpoint").into())
}

fn read_public_key(path: &Path) -> Result<PublicKey, Failure> {
    PublicKey::parse(&read(path)?).ok_or_else(|| not(path, "a public key", "aasm audit key --public").into())
}

fn read_witness(path: &Path) -> Result<WitnessKey, Failure> {
    WitnessKey::parse(&read(path)?).ok_or_else(|| not(path, "a witness's key", "aasm audit witness --public").into())
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    // The parser's message could quote a key.
    serde_json::from_str(&read(path)?).map_err(|_| not(path, "what it should be", "aasm audit key, prove").into())
}

fn not(path: &Path, what: &str, from: &str) -> WireError {
    WireError::new("usage", format!("{} does not hold {what}", path.display())).hint(format!("made by: {from}"))
}

/// A file of a bounded size: a proof holds a record, which may have a megabyte and is escaped.
fn read(path: &Path) -> Result<String, WireError> {
    const LIMIT: u64 = (8 << 20) + NOTE_LIMIT as u64;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text));
    read.map_err(|error| WireError::new("bad-path", format!("cannot read {}", path.display())).because(error))?;
    Ok(text)
}
