//! `aa-courier`: what of the audit log goes out of the machine, a service of its own and nobody's root.
//!
//! Life: refuse to be root, give up what is left, read the configuration, then a thread for each rule; this one tells the gateway.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::process::ExitCode;
use std::sync::Arc;

use aa_courier::board::Board;
use aa_courier::route::{self, Outgoing, Pace, Route};
use aa_courier::settings::{Flags, Settings, SettingsError};
use aa_courier::{link, privileges};
use aa_wire::WireError;
use anyhow::{Context, Result};
use clap::Parser;

/// As sysexits has it: another try ends the same.
const WRONG_CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("AA_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match live(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let wrong = error.is::<SettingsError>();
            let told = match error.downcast::<WireError>() {
                Ok(told) => told,
                Err(error) => WireError::from_error("courier-failed", error.as_ref()),
            };
            eprintln!("{told}");
            if wrong {
                ExitCode::from(WRONG_CONFIGURATION)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn live(flags: Flags) -> Result<()> {
    privileges::refuse_root()?;
    privileges::drop_all()?;
    let settings = Settings::load(flags)?;
    if settings.rules.is_empty() {
        tracing::info!("the configuration has no [[alerts]]: nothing to do");
        return Ok(());
    }
    let state = &settings.paths.state;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.with_context(|| format!("cannot make {}", state.display()))?;
    let outgoing = Outgoing::new().context("the detectors of secrets cannot be made")?;
    let (paths, board) = (Arc::new(settings.paths), Arc::new(Board::default()));
    let rules: Vec<_> = settings.rules.into_iter().map(Arc::new).collect();
    for rule in &rules {
        let opened = Route::open(
            Arc::clone(rule),
            Arc::clone(&paths),
            Arc::clone(&board),
            outgoing.clone(),
            Pace::default(),
        );
        match opened {
            Ok(route) => drop(
                std::thread::Builder::new()
                    .name(rule.name.clone())
                    .spawn(move || route.run())?,
            ),
            Err(why) => {
                tracing::error!(rule = rule.name, why, "an alert does not run");
                board.put(route::broken(rule, why));
            }
        }
    }
    tracing::info!(rules = rules.len(), "ready");
    link::keep(&paths, &rules, &board);
    Ok(())
}
