//! Records as text, and what is taken out of them before they leave.

use std::sync::Arc;

use aa_redact::{Engine, EngineError, Options, Redactor};
use aa_wire::Event;

/// Hides what the log holds in names after all: paths and arguments are chosen by agents.
#[derive(Debug)]
pub(crate) struct Cleaner(Arc<Engine>);

impl Cleaner {
    pub(crate) fn new() -> Result<Self, EngineError> {
        Ok(Self(Arc::new(Engine::new(&Options::default())?)))
    }

    /// The same event without secrets. What cannot be put together again leaves without all that agents chose.
    pub(crate) fn clean(&self, event: &Event) -> Event {
        let text = serde_json::to_vec(event).unwrap_or_default();
        let mut stream = Redactor::new(&self.0);
        let mut clean = stream.push(&text).to_vec();
        clean.extend_from_slice(stream.finish());
        let same = |clean: &Event| clean.id == event.id && clean.kind == event.kind && clean.effect == event.effect;
        serde_json::from_slice(&clean).ok().filter(same).unwrap_or_else(|| {
            let bare = Event::bare(event.time, event.kind, event.effect, "redacted");
            Event { id: event.id, ..bare }
        })
    }
}

/// This machine's name, as the kernel has it.
pub(crate) fn host_name() -> String {
    let host = nix::sys::utsname::uname().ok();
    let host = host.and_then(|host| host.nodename().to_str().map(ToOwned::to_owned));
    host.filter(|host| !host.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// An event in a line for people.
pub(crate) fn line(event: &Event) -> String {
    let mut text = format!("{} {} {}", event.id, event.effect.as_str().to_uppercase(), event.action);
    let mut add = |before: &str, what: Option<String>| {
        if let Some(what) = what.filter(|what| !what.is_empty()) {
            text = format!("{text}{before}{what}");
        }
    };
    add(" ", event.object.as_ref().map(ToString::to_string));
    add(" -> ", event.second_object.as_ref().map(ToString::to_string));
    add(" ", event.exchange.as_ref().map(ToString::to_string));
    add(" by ", event.agent.as_ref().and_then(|agent| agent.name.clone()));
    add(
        " running ",
        event.process.as_ref().map(|process| process.executable.to_string()),
    );
    add(", rule ", event.rule.as_ref().and_then(|rule| rule.text.clone()));
    add(", risk ", event.rule.as_ref().and_then(|rule| rule.risk.clone()));
    add(": ", event.detail.clone());
    text.replace(|letter: char| letter.is_control(), " ")
}
