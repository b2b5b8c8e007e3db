//! What a governed process said inside TLS: a request and its answer, without their contents.

use serde::{Deserialize, Serialize};

use crate::text::EscapedBytes;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// `http/1.1`, `h2`, `websocket`.
    pub protocol: String,
    /// The process was asked and answered; else it asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves: bool,
    /// Of the request.
    pub method: EscapedBytes,
    /// `Host` or `:authority`: what the client claims, not where the connection leads.
    pub host: EscapedBytes,
    /// The target, without what is behind `?`.
    pub path: EscapedBytes,
    /// Of the answer; absent if none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the request's body as they were sent, without framing.
    pub request_bytes: u64,
    /// Of the answer's.
    pub answer_bytes: u64,
    /// From the request's head to the end, milliseconds.
    pub took_ms: u64,
    /// The call of a model that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<ModelCall>,
    /// Messages of MCP in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp: Vec<McpMessage>,
    /// Kinds of secrets in what the process said, and how many; never what they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretCount>,
    /// What is not certain: `gap`, `cut-short`, `older-than-us`, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

/// A call of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCall {
    /// Whose it is.
    pub provider: String,
    /// How it was spoken to.
    pub api: String,
    /// The model that answered, or else the one that was asked for.
    pub model: EscapedBytes,
    /// The answer came in pieces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// How many tools it was offered.
    #[serde(default)]
    pub tools_offered: u64,
    /// Names of the tools it called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<EscapedBytes>,
    /// By the provider's own answer.
    pub tokens: Tokens,
    /// What it costs by these; absent where they were not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it ended, as the provider has it.
    #[serde(default, skip_serializing_if = "EscapedBytes::is_empty")]
    pub stop: EscapedBytes,
}

/// Tokens of a call, as the provider counts them; absent is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// What was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// What the provider had in its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// What it wrote there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// What was thought and not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

/// What a call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Millionths of a dollar, rounded up.
    pub micro_dollars: u64,
    /// By a price that is listed for the model; else by the dearest there is.
    pub listed: bool,
}

/// A message of MCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpMessage {
    /// The process sent it; else it got it.
    pub sent: bool,
    /// `tools/call` and the like; empty in an answer.
    #[serde(default, skip_serializing_if = "EscapedBytes::is_empty")]
    pub method: EscapedBytes,
    /// The tool, prompt or resource.
    #[serde(default, skip_serializing_if = "EscapedBytes::is_empty")]
    pub name: EscapedBytes,
    /// An answer that says it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

/// How many secrets of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretCount {
    /// As in `[REDACTED:kind]`.
    pub kind: String,
    /// How many.
    pub count: u64,
}

impl std::fmt::Display for SecretCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            1 => f.write_str(&self.kind),
            count => write!(f, "{count} x {}", self.kind),
        }
    }
}

/// Messages that a line names.
const CALLS_SHOWN: usize = 4;

impl std::fmt::Display for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)?;
        match self.status {
            Some(status) => write!(f, " {status}")?,
            None if self.took_ms == 0 => {}
            None => f.write_str(" (no answer)")?,
        }
        if let Some(call) = &self.call {
            write!(f, " {}", call.model)?;
            let Tokens { input, output, .. } = call.tokens;
            if input.or(output).is_some() {
                let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
                write!(f, " {}+{} tokens", count(input), count(output))?;
            }
        }
        let calls = self
            .mcp
            .iter()
            .filter(|message| message.sent && !message.name.is_empty());
        for message in calls.take(CALLS_SHOWN) {
            write!(f, " {} {}", message.method, message.name)?;
        }
        Ok(())
    }
}
