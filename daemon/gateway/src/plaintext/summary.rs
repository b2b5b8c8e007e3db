//! An exchange as events tell it: names and numbers, no contents. Texts are the agent's or the server's, so what looks
//! like a secret in them is hidden.

use std::sync::Arc;

use aa_redact::{Engine, Redactor};
use aa_traffic::{Direction, Exchange};
use aa_wire::EscapedBytes;
use aa_wire::exchange::{self, SecretCount, Tokens};

/// The longest text that is told of one, bytes.
const LONGEST: usize = 1024;

/// What events say of an exchange.
pub(super) fn of(
    exchange: &Exchange,
    took_ms: u64,
    secrets: Vec<SecretCount>,
    engine: &Arc<Engine>,
) -> exchange::Exchange {
    let text = |text: &str| told(engine, text);
    let call = exchange.call.as_ref().map(|call| exchange::ModelCall {
        provider: call.provider.code().to_owned(),
        api: call.api.code().to_owned(),
        model: text(if call.model_answered.is_empty() {
            &call.model_asked
        } else {
            &call.model_answered
        }),
        stream: call.stream,
        tools_offered: call.tools_offered,
        tools: call.tools_called.iter().map(|name| text(name)).collect(),
        tokens: Tokens {
            input: call.usage.input,
            output: call.usage.output,
            cache_read: call.usage.cache_read,
            cache_write: call.usage.cache_write,
            reasoning: call.usage.reasoning,
        },
        stop: text(&call.stop_reason),
    });
    let mcp = exchange.mcp.iter().map(|message| exchange::McpMessage {
        sent: message.direction == Direction::Sent,
        method: text(&message.method),
        name: text(&message.name),
        is_error: message.is_error,
    });
    exchange::Exchange {
        protocol: exchange.protocol.code().to_owned(),
        serves: exchange.asked == Direction::Received,
        method: text(&exchange.method),
        host: text(&exchange.host),
        path: text(&exchange.path),
        status: exchange.status,
        request_bytes: exchange.request.raw_bytes,
        answer_bytes: exchange.answer.raw_bytes,
        took_ms,
        call,
        mcp: mcp.collect(),
        secrets,
        doubts: exchange.doubts.iter().map(|doubt| doubt.code().to_owned()).collect(),
    }
}

/// Of what is no exchange anybody understands.
pub(super) fn of_nothing() -> exchange::Exchange {
    exchange::Exchange {
        protocol: "unknown".to_owned(),
        serves: false,
        method: EscapedBytes::default(),
        host: EscapedBytes::default(),
        path: EscapedBytes::default(),
        status: None,
        request_bytes: 0,
        answer_bytes: 0,
        took_ms: 0,
        call: None,
        mcp: Vec::new(),
        secrets: Vec::new(),
        doubts: Vec::new(),
    }
}

fn told(engine: &Arc<Engine>, text: &str) -> EscapedBytes {
    let mut redactor = Redactor::new(engine);
    let cut = text.as_bytes().get(..LONGEST).unwrap_or(text.as_bytes());
    let mut shown = redactor.push(cut).to_vec();
    shown.extend_from_slice(redactor.finish());
    EscapedBytes::from_bytes(&shown)
}
