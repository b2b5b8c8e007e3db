//! A log is made, and learned from.

use aa_audit::{AuditLog, Durability, Options};
use aa_policy::{Environment, Verdict, parse_action, parse_policy};
use aa_wire::event::AgentRef;
use aa_wire::exchange::{Exchange, ModelCall};
use aa_wire::{AgentId, EscapedBytes, SessionId};

use super::*;

fn event(agent: &str, action: &str, effect: Effect, object: Object) -> Event {
    Event {
        agent: Some(AgentRef {
            id: AgentId(1),
            name: Some(agent.to_owned()),
            session: SessionId(1),
        }),
        object: Some(object),
        ..Event::bare(Timestamp { unix_ns: 5_000_000_000 }, Kind::Decision, effect, action)
    }
}

fn file(path: &str) -> Object {
    Object::Path {
        path: EscapedBytes::from_bytes(path.as_bytes()),
        flags: Vec::new(),
    }
}

fn provider() -> Object {
    Object::Address {
        address: [192, 0, 2, 7].into(),
        port: 443,
        protocol: "tcp".to_owned(),
        names: Vec::new(),
    }
}

fn exchange() -> Event {
    let call = ModelCall {
        model: EscapedBytes::from("claude-opus-4"),
        ..ModelCall::default()
    };
    let exchange = Exchange {
        protocol: "http/1.1".to_owned(),
        serves: false,
        method: EscapedBytes::from("POST"),
        host: EscapedBytes::from("api.anthropic.com:443"),
        path: EscapedBytes::from("/v1/messages"),
        status: Some(200),
        request_bytes: 1,
        answer_bytes: 1,
        took_ms: 1,
        call: Some(call),
        mcp: Vec::new(),
        secrets: Vec::new(),
        doubts: Vec::new(),
    };
    Event {
        kind: Kind::Exchange,
        exchange: Some(Box::new(exchange)),
        ..event("dev", "exchange", Effect::Allowed, provider())
    }
}

fn learned(events: Vec<Event>, agent: Option<&str>) -> (Read, String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(directory.path(), &Options::new(directory.path())).unwrap();
    log.submit(events, Durability::Written, |recorded| drop(recorded.unwrap()));
    drop(log);
    let environment = environment();
    let (mut learning, mut read) = (Learning::new(&environment), Read::default());
    for event in replay::recorded_in(directory.path(), None).unwrap() {
        read.take(&event.unwrap(), agent, &mut learning);
    }
    let learned = learning.policy("learned", &read.heading()).unwrap();
    let left_out = learned.left_out.iter().map(|(action, _)| action.to_string()).collect();
    (read, learned.text, left_out)
}

fn environment() -> Environment {
    Environment {
        home: Some("/home/dev".to_owned()),
        ..Environment::default()
    }
}

#[test]
fn what_took_place_is_learned_and_what_was_denied_or_is_anothers_is_not() {
    let events = vec![
        event("dev", "open-read", Effect::Allowed, file("/srv/a")),
        event("dev", "open-write", Effect::WouldDeny, file("/srv/b")),
        event("dev", "mkdir", Effect::WouldDeny, file("/srv/f")),
        event("dev", "open-read", Effect::Denied, file("/srv/c")),
        event("dev", "open-read", Effect::Allowed, file("/home/dev/.ssh/key")),
        event("dev", "ptrace", Effect::WouldDeny, file("/srv/x")),
        event("other", "open-read", Effect::Allowed, file("/srv/d")),
        event("self-test", "open-read", Effect::Allowed, file("/srv/e")),
        event("dev", "connect", Effect::Allowed, provider()),
        exchange(),
    ];
    let (read, text, left_out) = learned(events.clone(), Some("dev"));
    assert_eq!((read.taken, read.denied), (5, 1));
    assert_eq!(
        read.untold.keys().collect::<Vec<_>>(),
        ["no rule can be about `ptrace`"]
    );
    assert_eq!(left_out, ["read /home/dev/.ssh/key"]);
    let policy = parse_policy(&text, "learned.yaml", &environment()).unwrap();
    for (action, verdict) in [
        ("read /srv/a", Verdict::Allow),
        ("write /srv/b", Verdict::Allow),
        ("read /srv/b", Verdict::Allow),
        ("write /srv/f", Verdict::Allow),
        ("read /srv/f", Verdict::Deny),
        ("read /srv/c", Verdict::Deny),
        ("read /srv/d", Verdict::Deny),
        ("read /srv/e", Verdict::Deny),
        ("connect api.anthropic.com:443", Verdict::Allow),
        ("connect 192.0.2.7:443", Verdict::Deny),
        ("model claude-opus-4", Verdict::Allow),
        ("model gpt-5", Verdict::Deny),
    ] {
        let action = parse_action(action, &policy, &environment()).unwrap();
        assert_eq!(policy.evaluate(&action).verdict, verdict, "{action}\n{text}");
    }
    assert!(
        text.starts_with("# Learned from 5 recorded actions of dev, 1970-01-01T00:00:05Z to "),
        "{text}"
    );
    let (read, text, _) = learned(events, None);
    assert!(
        read.taken == 6 && text.contains("/srv/d") && !text.contains("/srv/e"),
        "{text}"
    );
}
