//! An exchange as events tell it: names and numbers, no contents. Texts are the agent's or the server's, so what looks
//! like a secret in them is hidden.

use std::sync::Arc;

use aa_ledger::Amount;
use aa_policy::Usage;
use aa_redact::{Engine, Redactor};
use aa_traffic::{Api, Direction, Exchange, ModelCall};
use aa_wire::EscapedBytes;
use aa_wire::exchange::{self, SecretCount, Tokens};

use super::judge::Shared;
use crate::prices::SharedPrices;
use crate::spending::Treasury;
use crate::vault::known::SharedEngine;

/// The longest text that is told of one, bytes.
const LONGEST: usize = 1024;

/// What it takes to tell of an exchange.
pub(super) struct Teller {
    engine: SharedEngine,
    prices: SharedPrices,
    pub(super) treasury: Treasury,
}

impl Teller {
    pub(super) fn new(engine: SharedEngine, shared: &Shared) -> Arc<Self> {
        Arc::new(Self {
            engine,
            prices: shared.prices.clone(),
            treasury: shared.treasury.clone(),
        })
    }

    /// What looks through a stream that begins now.
    pub(super) fn engine(&self) -> Arc<Engine> {
        self.engine.get()
    }

    /// What kind of secret a finding is by its form, whether a vault has it or not.
    pub(super) fn form(&self, kind: &'static str) -> &'static str {
        self.engine.form(kind)
    }

    /// What events say of an exchange.
    pub(super) fn of(&self, exchange: &Exchange, took_ms: u64, secrets: Vec<SecretCount>) -> exchange::Exchange {
        let engine = self.engine();
        let text = |text: &str| told(&engine, text, LONGEST);
        let call = exchange.call.as_ref().map(|call| {
            let model = answering(call);
            exchange::ModelCall {
                provider: call.provider.code().to_owned(),
                api: call.api.code().to_owned(),
                model: text(model),
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
                cost: self.cost(call, model),
                stop: text(&call.stop_reason),
            }
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

    /// What a call costs by what the provider counted; `None` where it did not.
    fn cost(&self, call: &ModelCall, model: &str) -> Option<exchange::Cost> {
        let cost = self.prices.get().cost(model, &usage(call)?);
        Some(exchange::Cost {
            micro_dollars: cost.dollars.0,
            listed: cost.is_listed,
        })
    }

    /// What a call that is over used; `None` where the provider did not say, or not all of what it said was seen. What it refused is a call,
    /// and costs nothing.
    pub(super) fn used(&self, exchange: &Exchange) -> Option<Amount> {
        if exchange.status.is_some_and(|status| status >= 400) {
            let calls = Amount {
                calls: 1,
                ..Amount::default()
            };
            return Some(calls);
        }
        let call = exchange.call.as_ref().filter(|_| exchange.doubts.is_empty())?;
        let used = usage(call)?;
        let parts = [used.input, used.cache_read, used.cache_write, used.output];
        Some(Amount {
            micro_dollars: self.cost(call, answering(call))?.micro_dollars,
            tokens: parts.into_iter().fold(0, u64::saturating_add),
            calls: 1,
        })
    }
}

/// The model that answered, or else the one that was asked for.
fn answering(call: &ModelCall) -> &str {
    if call.model_answered.is_empty() {
        &call.model_asked
    } else {
        &call.model_answered
    }
}

/// Tokens by what the provider counted, each once; `None` where it did not.
fn usage(call: &ModelCall) -> Option<Usage> {
    let counted = call.usage;
    let (read, written) = (counted.cache_read.unwrap_or(0), counted.cache_write.unwrap_or(0));
    let cached = if call.api.input_includes_cached() {
        read.saturating_add(written)
    } else {
        0
    };
    let thought = if call.api.output_includes_reasoning() {
        0
    } else {
        counted.reasoning.unwrap_or(0)
    };
    // Embeddings have no output.
    let output = match counted.output {
        None if call.api != Api::OpenAiEmbeddings => return None,
        output => output.unwrap_or(0),
    };
    Some(Usage {
        input: counted.input?.saturating_sub(cached),
        cache_read: read,
        cache_write: written,
        output: output.saturating_add(thought),
    })
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

/// A text of others without what looks like a secret, the first bytes of it.
pub(super) fn told(engine: &Arc<Engine>, text: &str, most: usize) -> EscapedBytes {
    let mut redactor = Redactor::new(engine);
    let mut shown = redactor.push(text.as_bytes()).to_vec();
    shown.extend_from_slice(redactor.finish());
    shown.truncate(most);
    EscapedBytes::from_bytes(&shown)
}
