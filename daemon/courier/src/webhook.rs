//! Generic webhooks, signed: Standard Webhooks 1.0.0.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aa_audit::webhook::{message, sign};
use aa_sdk::Client;
use aa_wire::alerts::{MESSAGE_LIMIT, SignRequest};
use aa_wire::api::{Reply, Request};
use serde_json::json;

use crate::destination::{Message, Refusal, SecretSource, Sending, judge};
use crate::http::post;
use crate::render::host_name;
use crate::settings::read_secret;

/// Sends each record by itself.
pub(crate) fn deliver(sending: &Sending<'_>, secrets: &[SecretSource], messages: &[Message]) -> Result<u64, Refusal> {
    for one in messages {
        let body = body(one);
        let (id, now) = (one.id(), now());
        let signed = message(&id, now, &body);
        // One for each secret: while it is replaced the receiver takes either.
        let signatures: Result<Vec<String>, Refusal> = secrets
            .iter()
            .map(|secret| signature(sending, secret, &signed))
            .collect();
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signatures?.join(" ")),
        ];
        judge(&post(sending.address, &headers, body.as_bytes(), sending.trust)?)?;
    }
    Ok(0)
}

fn body(one: &Message) -> String {
    let event = &one.event;
    let whole = |data: serde_json::Value| {
        let (kind, effect) = (event.kind, event.effect);
        json!({"type": format!("aa.{kind}.{effect}"), "timestamp": event.time.to_string(), "source": host_name(), "data": data}).to_string()
    };
    let body = whole(json!(event));
    if body.len() <= MESSAGE_LIMIT / 2 {
        return body;
    }
    let cut = json!({"id": event.id, "time": event.time, "kind": event.kind, "effect": event.effect, "action": event.action, "too_large": body.len()});
    whole(cut)
}

fn signature(sending: &Sending<'_>, secret: &SecretSource, signed: &str) -> Result<String, Refusal> {
    match secret {
        SecretSource::File(path) => by_file(path, signed),
        SecretSource::Vault(name) => by_gateway(sending, name, signed),
    }
}

fn by_file(path: &Path, signed: &str) -> Result<String, Refusal> {
    let secret = read_secret(path).map_err(Refusal::away)?;
    let none = || {
        Refusal::away(format!(
            "{} holds no secret for webhooks: 24 bytes at least, or `whsec_` and base64",
            path.display()
        ))
    };
    sign(&secret, signed).ok_or_else(none)
}

fn by_gateway(sending: &Sending<'_>, name: &str, signed: &str) -> Result<String, Refusal> {
    let request = SignRequest {
        secret: name.to_owned(),
        host: sending.address.host.clone(),
        message: signed.to_owned(),
    };
    let failed =
        |error: &dyn std::fmt::Display| Refusal::away(format!("the gateway does not sign with `{name}`: {error}"));
    let mut client = Client::connect(&sending.paths.socket).map_err(|error| failed(&error))?;
    match client.request(Request::Sign(request)) {
        Ok(Reply::Signed { signature }) => Ok(signature),
        Ok(_) => Err(failed(&"it answered something else")),
        Err(error) => Err(failed(&error)),
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
