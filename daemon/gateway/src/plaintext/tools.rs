//! Calls of tools over MCP: what is known of one, and what a policy says of it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aa_policy::{Decision, Facts, Policy, Verdict};
use aa_redact::Engine;
use aa_traffic::{Exchange, ToolCall};
use aa_wire::EscapedBytes;

use super::summary::told;

/// The most that a person is told of what a tool is called with, bytes.
const SHOWN: usize = 2048;
/// And of so many calls in one piece.
const TOLD: usize = 8;

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

    /// The host without its port, if the resolver led the agent to the far end by it.
    fn proven_host(&self, names: &[EscapedBytes]) -> Option<&str> {
        let host = match self.host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.host,
        };
        names.iter().any(|name| name.as_str() == host).then_some(host)
    }

    fn facts(&self, names: &[EscapedBytes], now: Option<SystemTime>) -> Facts {
        let mut facts = Facts::default().http(&self.method, self.proven_host(names), &self.path);
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

/// What is said of all calls together.
#[derive(Debug, Default)]
pub(super) struct OfTools {
    pub(super) decision: Decision,
    pub(super) detail: Option<String>,
    pub(super) words: Option<String>,
}

/// The strictest of what a policy says of each. `names` lead to the far end; it is `now`, if that is certain.
pub(super) fn judge(policy: &Policy, asked: &[AskedTool], names: &[EscapedBytes], now: Option<SystemTime>) -> OfTools {
    let mut decision = Decision::NONE;
    let (mut detail, mut words) = (None, Vec::new());
    for tool in asked {
        let of_tool = policy.tool(tool.call.name.as_deref(), &tool.facts(names, now));
        if of_tool.verdict() > Verdict::Allow {
            decision = decision.strictest(of_tool);
            if tool.call.name.is_none() {
                detail = Some("which tool it calls cannot be told: readers could differ on what it says".to_owned());
            }
            if words.len() < TOLD {
                words.push(tool.in_words());
            }
        }
    }
    OfTools {
        decision,
        detail,
        words: (!words.is_empty()).then(|| words.join("; ")),
    }
}
