//! Requests over HTTP: what is known of one, and what a policy says of it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aa_policy::{Facts, FarEnd, HostName, Policy};
use aa_redact::Engine;
use aa_traffic::{Doubt, Exchange};

use super::contents::OfContents;
use super::summary::told;

/// The most that a person is told of one, bytes.
const SHOWN: usize = 1024;
/// Where two readers could see another request than we do.
const UNSURE: [Doubt; 6] = [
    Doubt::Gap,
    Doubt::OlderThanUs,
    Doubt::Malformed,
    Doubt::Ambiguous,
    Doubt::Oversized,
    Doubt::Crowded,
];
/// Fields by which servers take another method than the request has.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// A request whose head is there.
#[derive(Clone)]
pub(super) struct AskedRequest {
    engine: Arc<Engine>,
    method: String,
    host: String,
    path: String,
    is_sure: bool,
}

impl fmt::Debug for AskedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AskedRequest({}, sure: {})", self.method, self.is_sure)
    }
}

/// Whether what is behind a request may be read by others as requests that we do not see.
pub(super) fn hides_others(exchange: &Exchange) -> bool {
    UNSURE.into_iter().any(|doubt| exchange.doubts.contains(doubt))
}

impl AskedRequest {
    pub(super) fn new(exchange: &Exchange, engine: Arc<Engine>) -> Self {
        let overrides = |name: &str| OVERRIDES.contains(&name);
        let is_overridden = exchange.fields().iter().any(|field| overrides(&field.name));
        Self {
            engine,
            method: exchange.method.clone(),
            host: exchange.host.clone(),
            path: exchange.path.clone(),
            is_sure: !hides_others(exchange) && !is_overridden && !exchange.method.is_empty(),
        }
    }

    /// What is sent where nobody can say what it asks for.
    pub(super) fn unread(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            is_sure: false,
        }
    }

    fn facts(&self, host: Option<&HostName>, now: Option<SystemTime>) -> Facts {
        let facts = if self.is_sure {
            Facts::default().http(&self.method, host.map(HostName::as_str), &self.path)
        } else {
            Facts::default()
        };
        match now {
            Some(now) => facts.time(now),
            None => facts,
        }
    }

    /// For a person; what looks like a secret is hidden.
    fn in_words(&self) -> String {
        if self.method.is_empty() {
            return "something that cannot be read as a request".to_owned();
        }
        let words = format!("{} https://{}{}", self.method, self.host, self.path);
        told(&self.engine, &words, SHOWN).to_string()
    }
}

/// What a request's `Host` names, if the resolver led the agent to the far end by that name.
pub(super) fn proven<'names>(names: &'names [HostName], host: &str) -> Option<&'names HostName> {
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let host = HostName::parse(host).ok()?;
    names.iter().find(|name| **name == host)
}

/// What a policy says of each. `to` is where they go, if that is known; it is `now`, if that is certain.
pub(super) fn judge(
    policy: &Policy,
    asked: &[AskedRequest],
    to: Option<&FarEnd<'_>>,
    now: Option<SystemTime>,
    of_all: &mut OfContents,
) {
    for request in asked {
        let host = to.and_then(|to| proven(to.names, &request.host));
        let to = to.map(|to| FarEnd { host, ..*to });
        let decision = policy.request(to.as_ref(), &request.facts(host, now));
        let unsure = "what it asks for cannot be told: servers could differ on it";
        let detail = (!request.is_sure).then(|| unsure.to_owned());
        of_all.add(decision, detail, || request.in_words());
    }
}
