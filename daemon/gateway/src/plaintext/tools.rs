//! Calls of tools over MCP: what is known of one, and what a policy says of it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aa_policy::{Facts, HostName, Policy};
use aa_redact::Engine;
use aa_traffic::{Exchange, ToolCall};

use super::contents::OfContents;
use super::requests::proven;
use super::summary::told;

/// The most that a person is told of what a tool is called with, bytes.
const SHOWN: usize = 2048;

/// A call, when all of it is told. Its `Debug` does not show what it is called with.
#[derive(Clone)]
pub(super) struct AskedTool {
    engine: Arc<Engine>,
    call: ToolCall,
    method: String,
    host: String,
    path: String,
}

impl fmt::Debug for AskedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AskedTool({:?})", self.call)
    }
}

impl AskedTool {
    pub(super) fn new(exchange: &Exchange, call: &ToolCall, engine: Arc<Engine>) -> Self {
        Self {
            engine,
            call: call.clone(),
            method: exchange.method.clone(),
            host: exchange.host.clone(),
            path: exchange.path.clone(),
        }
    }

    fn facts(&self, names: &[HostName], now: Option<SystemTime>) -> Facts {
        let host = proven(names, &self.host).map(HostName::as_str);
        let mut facts = Facts::default().http(&self.method, host, &self.path);
        if let Some(name) = &self.call.name {
            facts = facts.tool(name);
        }
        if let Some(arguments) = &self.call.arguments {
            facts = facts.arguments(arguments);
        }
        match now {
            Some(now) => facts.time(now),
            None => facts,
        }
    }

    /// For a person, with what it is called with; what looks like a secret is hidden.
    fn in_words(&self) -> String {
        let name = self.call.name.as_deref().unwrap_or("a tool whose name cannot be told,");
        let arguments = match &self.call.arguments {
            Some(arguments) => arguments.to_string(),
            None => "with what cannot be told".to_owned(),
        };
        told(&self.engine, &format!("{name} {arguments}"), SHOWN).to_string()
    }
}

/// What a policy says of each. `names` lead to the far end; it is `now`, if that is certain.
pub(super) fn judge(
    policy: &Policy,
    asked: &[AskedTool],
    names: &[HostName],
    now: Option<SystemTime>,
    of_all: &mut OfContents,
) {
    for tool in asked {
        let decision = policy.tool(tool.call.name.as_deref(), &tool.facts(names, now));
        let unsure = "which tool it calls cannot be told: readers could differ on what it says";
        let detail = tool.call.name.is_none().then(|| unsure.to_owned());
        of_all.add(decision, detail, || tool.in_words());
    }
}
