//! The language as a JSON Schema (draft 2020-12), for editors: keys, shapes and words. What it lets pass may still be wrong: patterns and
//! conditions are read by [`crate::parse_policy`] alone.

use crate::data::DATA_CLASSES;
use crate::labels::{CarriedKind, MAX_LABELS};
use crate::privileges::Privilege;
use crate::rate::RateClass;
use crate::tool::Risk;
use serde_json::{Map, Value, json};

/// The schema of a policy.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aa-sensord policy",
        "description": "What agents may do on this machine: docs/policy.md",
        "type": "object",
        "required": ["policy", "version"],
        "additionalProperties": false,
        "properties": {
            "policy": {"type": "string", "pattern": "^[a-z0-9_][a-z0-9_.-]{0,63}$", "description": "Its name, which records cite with the version"},
            "version": {"type": "integer", "minimum": 1, "description": "Raised with every change"},
            "about": {"type": "string", "description": "Text for people"},
            "scope": keys(&["org", "team", "agent", "session"], "One level of the cascade, with a name"),
            "governs": {
                "type": "array",
                "description": "Which processes begin to be governed",
                "items": keys(&["exec", "user", "unit", "cgroup"], "Programs by path, users, systemd units, cgroups"),
            },
            "mode": {"enum": ["enforce", "observe"], "description": "observe records what would be denied and lets it pass"},
            "on_gap": {"enum": ["refuse", "degrade"], "description": "What becomes of rules that this host cannot enforce"},
            "let": {"type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9_]+$"}, "additionalProperties": scalar("Usable as $name")},
            "net": section("Addresses, hosts, unix sockets", &["allow", "ask", "deny", "suspend", "kill"], &conditional("CEL over http, time: http.method == \"GET\""), Some(("blind", json!({"enum": ["allow", "deny"], "description": "TLS that nobody reads"})))),
            "file": object("Files", [
                ("read", section("Opening to read", &["allow", "ask", "deny", "suspend", "kill"], &pattern(), None)),
                ("write", section("Changing", &["allow", "ask", "deny", "suspend", "kill"], &pattern(), None)),
                ("label", json!({"type": "object", "maxProperties": MAX_LABELS, "additionalProperties": list(&scalar("A path")), "description": "Whoever reads these carries the label"})),
            ]),
            "exec": section("Programs: paths, names, arguments, sha256:, memfd, deleted, interpreter:", &["allow", "ask", "deny", "suspend", "kill"], &pattern(), None),
            "privileges": section_without_default("What nobody may do unless it is listed", &["allow", "deny", "suspend", "kill"], &words(&Privilege::ALL.map(Privilege::word))),
            "tool": section("Tools called over MCP", &["allow", "ask", "deny", "suspend", "kill"], &conditional("CEL over args, tool, http, time: args.path.startsWith(\"/srv/\")"), None),
            "model": section("Models", &["allow", "deny"], &pattern(), None),
            "data": object("Data", [
                ("redact", list(&withheld())),
                ("block", list(&withheld())),
                ("from", json!({"type": "object", "additionalProperties": object("What is taken from who carries the label", [
                    ("deny", list(&words(&CarriedKind::ALL.map(CarriedKind::word)))),
                    ("ask", list(&words(&CarriedKind::ALL.map(CarriedKind::word)))),
                ])})),
            ]),
            "spend": spend(),
            "rate": object("How often", RateClass::ALL.map(|class| (class.word(), rate()))),
            "hours": object("When", [
                ("deny", texts("Closed: 22:00-06:00 Europe/Berlin")),
                ("allow", texts("Open: 08:00-18:00 Europe/Berlin")),
                ("days", texts("mon, tue, wed, thu, fri, sat, sun, or mon-fri")),
            ]),
            "ask": object("What becomes of asks", [
                ("approvers", list(&json!({"type": "string", "pattern": "^(user|group):.+$"}))),
                ("within", json!({"type": "string", "pattern": "^[0-9]+[smhd]$", "description": "10m"})),
                ("otherwise", json!({"enum": ["allow", "deny"]})),
                ("second_person", words(&Risk::ALL.map(Risk::word))),
            ]),
            "default": {"enum": ["allow", "deny"], "description": "Of sections without their own"},
            "expect": {"type": "array", "items": {"type": "string", "pattern": "->"}, "description": "ACTION -> VERDICT, tried before every load"},
        },
    })
}

fn object<const N: usize>(about: &str, properties: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> = properties
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect();
    json!({"type": "object", "description": about, "additionalProperties": false, "properties": properties})
}

/// At least one of these.
fn keys(keys: &[&str], about: &str) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), scalar(key))).collect();
    json!({
        "type": "object", "description": about, "additionalProperties": false,
        "minProperties": 1, "properties": properties,
    })
}

/// Text, or a number that stands for one.
fn scalar(about: &str) -> Value {
    json!({"type": ["string", "number"], "description": about})
}

/// Alone, or with how grave it is.
fn pattern() -> Value {
    json!({"oneOf": [{"type": ["string", "number"], "minLength": 1}, rule([])]})
}

fn words(words: &[&str]) -> Value {
    json!({"enum": words})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn texts(about: &str) -> Value {
    json!({"description": about, "oneOf": [{"type": "string"}, list(&json!({"type": "string"}))]})
}

fn section_without_default(about: &str, verdicts: &[&str], item: &Value) -> Value {
    let list = list(item);
    let properties: Map<String, Value> = verdicts
        .iter()
        .map(|verdict| ((*verdict).to_owned(), list.clone()))
        .collect();
    json!({"type": "object", "description": about, "additionalProperties": false, "properties": properties})
}

fn section(about: &str, verdicts: &[&str], item: &Value, more: Option<(&str, Value)>) -> Value {
    let mut section = section_without_default(about, verdicts, item);
    let defaults: Vec<&str> = ["allow", "ask", "deny"]
        .into_iter()
        .filter(|verdict| verdicts.contains(verdict))
        .collect();
    if let Some(properties) = section.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "default".to_owned(),
            json!({"enum": defaults, "description": "Where no rule matches; deny if it is left out"}),
        );
        properties.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    section
}

fn rule<const N: usize>(more: [(&str, Value); N]) -> Value {
    let mut rule = json!({
        "type": "object", "additionalProperties": false, "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "The pattern"},
            "risk": words(&Risk::ALL.map(Risk::word)),
        },
    });
    if let Some(properties) = rule.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    rule
}

/// Alone, or with a condition and how grave it is.
fn conditional(about: &str) -> Value {
    let when = json!({"type": "string", "maxLength": 2048, "description": about});
    json!({"oneOf": [{"type": ["string", "number"], "minLength": 1}, rule([("when", when)])]})
}

fn withheld() -> Value {
    json!({"anyOf": [words(&DATA_CLASSES), {"type": "string", "pattern": "^vault/[A-Za-z0-9_.*?-]+$"}]})
}

fn rate() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["over", "then"],
        "properties": {
            "over": {"type": "string", "pattern": "^[0-9]+/[0-9]*(s|m|h|d)$", "description": "50/10s"},
            "then": {"enum": ["deny", "ask", "suspend", "kill"]},
        },
    })
}

fn spend() -> Value {
    let windows = ["session", "hour", "day", "week", "month"];
    let of = |value: Value| -> Map<String, Value> {
        windows
            .iter()
            .map(|window| ((*window).to_owned(), value.clone()))
            .collect()
    };
    let counts = json!({"type": "object", "additionalProperties": false, "properties": of(scalar("2M"))});
    let mut properties = of(scalar("$20"));
    properties.extend([
        ("tokens".to_owned(), counts.clone()),
        ("calls".to_owned(), counts),
        (
            "zone".to_owned(),
            json!({"type": "string", "description": "Europe/Berlin"}),
        ),
        (
            "warn".to_owned(),
            list(&json!({"type": "string", "pattern": "^[0-9]+%$"})),
        ),
        ("then".to_owned(), words(&["deny", "suspend", "kill"])),
    ]);
    json!({"type": "object", "description": "How much of models is used", "additionalProperties": false, "properties": properties})
}
