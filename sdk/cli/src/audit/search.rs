//! Going through the log for what is looked for, from its files.

use std::io::Write;

use aa_wire::event::Object;
use aa_wire::{Event, Timestamp, WireError};

use super::{formats, ocsf, unreadable};
use crate::cli::audit::{ExportFormat, Selection};
use crate::events::{line, parse_since};
use crate::exit::Failure;

pub(super) fn search(selection: &Selection, json: bool) -> Result<(), Failure> {
    if json {
        return export(selection, ExportFormat::Json);
    }
    each(selection, |event| line(event) + "\n")
}

pub(super) fn export(selection: &Selection, format: ExportFormat) -> Result<(), Failure> {
    match format {
        // As it stands in the log; what is stored turns to JSON again.
        ExportFormat::Json => each(selection, |event| {
            serde_json::to_string(event).unwrap_or_default() + "\n"
        }),
        ExportFormat::Csv => {
            crate::print(&formats::csv_heading());
            each(selection, formats::csv)
        }
        ExportFormat::Cef => each(selection, formats::cef),
        ExportFormat::Ocsf => {
            let host = nix::sys::utsname::uname().ok();
            let host = host.and_then(|host| host.nodename().to_str().map(ToOwned::to_owned));
            let host = host.unwrap_or_else(|| "localhost".to_owned());
            each(selection, |event| ocsf::ocsf(event, &host).to_string() + "\n")
        }
    }
}

/// Writes each event that is selected, as it is read.
fn each(selection: &Selection, format: impl Fn(&Event) -> String) -> Result<(), Failure> {
    let now = Timestamp::now();
    let time = |text: &Option<String>| text.as_deref().map(|text| parse_since(text, now)).transpose();
    let (since, until) = (time(&selection.since)?, time(&selection.until)?);
    let directory = &selection.directory.directory;
    let events = aa_audit::scan_since(directory, since.unwrap_or_default()).map_err(|error| unreadable(&error))?;
    let mut output = std::io::BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    for event in events {
        let event = event.map_err(|error| unreadable(&error))?;
        if until.is_none_or(|until| event.time <= until) && matches(selection, &event) {
            match output.write_all(format(&event).as_bytes()) {
                Ok(()) => {}
                // Whoever read has read enough.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(unwritten(&error).into()),
            }
        }
    }
    match output.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unwritten(&error).into()),
        _ => Ok(()),
    }
}

/// An export that ends early must not look whole.
fn unwritten(error: &std::io::Error) -> WireError {
    WireError::new("output-failed", "the output cannot be written").because(error)
}

pub(super) fn matches(selection: &Selection, event: &Event) -> bool {
    let agent = selection.agent.as_ref().is_none_or(|wanted| {
        let agent = event.agent.as_ref();
        agent.is_some_and(|agent| agent.name.as_ref() == Some(wanted) || agent.id.to_string() == *wanted)
    });
    let rule = selection.rule.as_ref().is_none_or(|wanted| {
        let rule = event.rule.as_ref();
        rule.is_some_and(|rule| {
            rule.id.to_string() == *wanted || rule.text.as_ref().is_some_and(|text| text.contains(wanted))
        })
    });
    let verdict = selection.verdict.as_ref().is_none_or(|wanted| {
        event.verdict.is_some_and(|verdict| verdict.as_str() == wanted) || event.effect.as_str() == wanted
    });
    let host = selection.host.as_ref().is_none_or(|wanted| {
        let below = format!(".{wanted}");
        hosts(event).iter().any(|host| host == wanted || host.ends_with(&below))
    });
    agent && rule && verdict && host
}

/// The names and addresses of what an event leads to.
pub(super) fn hosts(event: &Event) -> Vec<String> {
    let mut hosts = Vec::new();
    match &event.object {
        Some(Object::Host { name }) => hosts.push(name.to_string()),
        Some(Object::Address { address, names, .. }) => {
            hosts.extend(names.iter().map(ToString::to_string));
            hosts.push(address.to_string());
        }
        _ => {}
    }
    hosts.extend(event.exchange.iter().map(|exchange| exchange.host.to_string()));
    hosts
}
