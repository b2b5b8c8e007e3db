//! OpenTelemetry logs over HTTP in their JSON encoding (OTLP 1.x), and the semantic conventions that records have: those of GenAI and MCP,
//! which are in development (`open-telemetry/semantic-conventions-genai`), stand in this file alone.

use std::path::Path;

use aa_wire::event::{Effect, Object};
use aa_wire::exchange::{Exchange, McpMessage, ModelCall};
use aa_wire::{Event, Timestamp};
use serde_json::{Value, json};

use crate::destination::{Message, Refusal, Sending, judge};
use crate::http::post;
use crate::render::{host_name, line};
use crate::settings::read_secret;

/// What the attributes below are named by.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

pub(crate) fn deliver(
    sending: &Sending<'_>,
    authorization: Option<&Path>,
    messages: &[Message],
) -> Result<u64, Refusal> {
    let mut headers = Vec::new();
    if let Some(path) = authorization {
        let secret = read_secret(path).map_err(Refusal::away)?;
        let value = std::str::from_utf8(&secret).ok().map(str::trim_ascii);
        let value = value.filter(|value| value.bytes().all(|byte| (b' '..0x7f).contains(&byte)));
        let value = value.ok_or_else(|| Refusal::away(format!("{} holds no header's value", path.display())))?;
        headers.push(("authorization", value.to_owned()));
    }
    let body = logs(messages, Timestamp::now()).to_string();
    let answer = post(sending.address, &headers, body.as_bytes(), sending.trust)?;
    judge(&answer)?;
    Ok(rejected(&answer.body).min(messages.len() as u64))
}

/// How many records a receiver that took the rest did not; it counts them in a string or a number.
fn rejected(body: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let count = answer.pointer("/partialSuccess/rejectedLogRecords");
    let count = count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
    count.unwrap_or(0)
}

fn logs(messages: &[Message], now: Timestamp) -> Value {
    let records: Vec<Value> = messages.iter().map(|message| record(message, now)).collect();
    let resource = attributes(&[
        ("service.name", json!("aa-sensord")),
        ("service.version", json!(env!("CARGO_PKG_VERSION"))),
        ("host.name", json!(host_name())),
    ]);
    json!({"resourceLogs": [{
        "resource": {"attributes": resource},
        "schemaUrl": SCHEMA_URL,
        "scopeLogs": [{"scope": {"name": "aa-sensord.audit", "version": env!("CARGO_PKG_VERSION")}, "logRecords": records}],
    }]})
}

fn record(message: &Message, now: Timestamp) -> Value {
    let event = &message.event;
    let (number, text) = match event.effect {
        Effect::Allowed => (9, "INFO"),
        Effect::WouldDeny | Effect::Held => (10, "INFO2"),
        Effect::Denied => (13, "WARN"),
        Effect::Killed | Effect::Suspended => (17, "ERROR"),
    };
    let mut named = own(event, message);
    named.extend(event.object.iter().flat_map(object));
    if let Some(exchange) = &event.exchange {
        named.extend(http(exchange));
        named.extend(exchange.call.iter().flat_map(gen_ai));
        named.extend(
            exchange
                .mcp
                .iter()
                .filter(|message| message.sent && !message.method.is_empty())
                .take(1)
                .flat_map(mcp),
        );
    }
    json!({
        "timeUnixNano": event.time.unix_ns.to_string(),
        "observedTimeUnixNano": now.unix_ns.to_string(),
        "severityNumber": number,
        "severityText": text,
        "eventName": format!("aa.{}", event.kind),
        "body": {"stringValue": line(event)},
        "attributes": attributes(&named),
    })
}

type Named = (&'static str, Value);

fn own(event: &Event, message: &Message) -> Vec<Named> {
    let mut named = vec![
        ("aa.record.id", json!(event.id)),
        ("aa.record.uid", json!(message.id())),
        ("aa.effect", json!(event.effect)),
        ("aa.action", json!(event.action)),
        ("aa.verdict", json!(event.verdict)),
        ("aa.about", json!(event.about)),
        ("aa.reason", json!(event.reason.as_ref().map(|reason| &reason.code))),
        (
            "aa.policy.name",
            json!(event.policy.as_ref().and_then(|policy| policy.name.as_ref())),
        ),
        (
            "aa.policy.digest",
            json!(event.policy.as_ref().and_then(|policy| policy.digest.as_ref())),
        ),
        (
            "aa.rule.text",
            json!(event.rule.as_ref().and_then(|rule| rule.text.as_ref())),
        ),
        (
            "aa.rule.risk",
            json!(event.rule.as_ref().and_then(|rule| rule.risk.as_ref())),
        ),
    ];
    if let Some(agent) = &event.agent {
        named.extend([
            ("gen_ai.agent.id", json!(agent.id.to_string())),
            ("gen_ai.agent.name", json!(agent.name)),
            ("session.id", json!(agent.session.to_string())),
        ]);
    }
    if let Some(process) = &event.process {
        named.extend([
            ("process.pid", json!(process.pid.0)),
            ("process.parent_pid", json!(process.parent_pid.0)),
            ("process.executable.path", json!(process.executable.to_string())),
            ("process.real_user.id", json!(process.uid)),
        ]);
    }
    named
}

fn object(object: &Object) -> Vec<Named> {
    match object {
        Object::Path { path, .. } => vec![("file.path", json!(path.to_string()))],
        Object::Address {
            address,
            port,
            protocol,
            names,
        } => vec![
            ("network.peer.address", json!(address.to_string())),
            ("network.peer.port", json!(port)),
            ("network.transport", json!(protocol)),
            ("server.address", json!(names.first().map(ToString::to_string))),
        ],
        Object::Host { name } => vec![("dns.question.name", json!(name.to_string()))],
        other => vec![("aa.object", json!(other.to_string()))],
    }
}

fn http(exchange: &Exchange) -> Vec<Named> {
    vec![
        ("http.request.method", json!(exchange.method.to_string())),
        ("http.request.body.size", json!(exchange.request_bytes)),
        ("http.response.status_code", json!(exchange.status)),
        ("http.response.body.size", json!(exchange.answer_bytes)),
        ("server.address", json!(exchange.host.to_string())),
        ("url.path", json!(exchange.path.to_string())),
    ]
}

fn gen_ai(call: &ModelCall) -> Vec<Named> {
    let tools: Vec<String> = call.tools.iter().map(ToString::to_string).collect();
    let tools = (!tools.is_empty()).then_some(tools);
    let stop = (!call.stop.is_empty()).then(|| vec![call.stop.to_string()]);
    vec![
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!(call.provider)),
        ("gen_ai.response.model", json!(call.model.to_string())),
        ("gen_ai.usage.input_tokens", json!(call.tokens.input)),
        ("gen_ai.usage.output_tokens", json!(call.tokens.output)),
        ("gen_ai.usage.cache_read.input_tokens", json!(call.tokens.cache_read)),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            json!(call.tokens.cache_write),
        ),
        ("gen_ai.response.finish_reasons", json!(stop)),
        ("aa.tools.called", json!(tools)),
        ("aa.cost.micro_dollars", json!(call.cost.map(|cost| cost.micro_dollars))),
    ]
}

fn mcp(message: &McpMessage) -> Vec<Named> {
    let method = message.method.to_string();
    let name = json!((!message.name.is_empty()).then(|| message.name.to_string()));
    let key = match method.as_str() {
        "tools/call" => "gen_ai.tool.name",
        "prompts/get" => "gen_ai.prompt.name",
        _ => "mcp.resource.uri",
    };
    vec![("mcp.method.name", json!(method)), (key, name)]
}

/// Those that have a value, the first of each name: 64-bit numbers are strings in this encoding.
fn attributes(named: &[Named]) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for (key, value) in named {
        if let Some(value) = any_value(value).filter(|_| !seen.contains(key)) {
            seen.push(key);
            found.push(json!({"key": key, "value": value}));
        }
    }
    found
}

fn any_value(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(json!({"boolValue": flag})),
        Value::Number(number) => Some(json!({"intValue": number.to_string()})),
        Value::String(text) => Some(json!({"stringValue": text})),
        Value::Array(values) => {
            let values: Vec<Value> = values.iter().filter_map(any_value).collect();
            Some(json!({"arrayValue": {"values": values}}))
        }
        Value::Object(_) => Some(json!({"stringValue": value.to_string()})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_model_has_the_names_of_the_conventions() {
        let text = r#"{"id":7,"time":"2026-11-23T00:00:00.000000001Z","kind":"exchange","effect":"allowed","action":"exchange",
            "agent":{"id":3,"name":"claude","session":"0000000000000001"},
            "exchange":{"protocol":"h2","method":"POST","host":"api.anthropic.com","path":"/v1/messages","status":200,"request_bytes":1,"answer_bytes":2,
            "took_ms":3,"call":{"provider":"anthropic","api":"messages","model":"claude-sonnet-4-5","tokens":{"input":42,"output":58}},
            "mcp":[{"sent":true,"method":"tools/call","name":"tickets.close"}]}}"#;
        let message = Message {
            event: serde_json::from_str(text).unwrap(),
            chain: [0xab; 8],
        };
        let logs = logs(&[message], Timestamp::default());
        let record = logs.pointer("/resourceLogs/0/scopeLogs/0/logRecords/0").unwrap();
        assert_eq!(record["timeUnixNano"], "1795392000000000001");
        let value = |key: &str| {
            let all = record["attributes"].as_array().unwrap();
            all.iter().find(|one| one["key"] == key).map(|one| one["value"].clone())
        };
        assert_eq!(value("gen_ai.usage.input_tokens").unwrap(), json!({"intValue": "42"}));
        assert_eq!(
            value("gen_ai.provider.name").unwrap(),
            json!({"stringValue": "anthropic"})
        );
        assert_eq!(
            value("gen_ai.tool.name").unwrap(),
            json!({"stringValue": "tickets.close"})
        );
        assert_eq!(value("mcp.method.name").unwrap(), json!({"stringValue": "tools/call"}));
        assert_eq!(
            value("aa.record.uid").unwrap(),
            json!({"stringValue": "aa_7_abababababababab"})
        );
        assert_eq!(
            value("gen_ai.usage.cache_read.input_tokens"),
            None,
            "what is not known is not there"
        );
    }

    #[test]
    fn a_receiver_says_how_many_it_did_not_take() {
        assert_eq!(
            rejected(br#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"old"}}"#),
            3
        );
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedLogRecords":2}}"#), 2);
        assert_eq!((rejected(b"{}"), rejected(b""), rejected(b"\xff")), (0, 0, 0));
    }
}
