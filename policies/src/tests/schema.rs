//! The schema for editors: whatever is read passes it, and what has no key or shape of the language does not.

use crate::diagnostic::Report;
use crate::syntax::{self, Node};
use crate::{Code, Environment, packs, parse_policy, schema};
use boon::{Compiler, Schemas};
use serde_json::Value;

/// As an editor reads it: plain digits are numbers.
fn json(node: &Node) -> Value {
    match &node.value {
        syntax::Value::Null => Value::Null,
        syntax::Value::Text(text) => match text.parse::<u64>() {
            Ok(number) => number.into(),
            Err(_) => text.as_str().into(),
        },
        syntax::Value::List(items) => items.iter().map(json).collect(),
        syntax::Value::Map(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), json(&entry.node)));
            Value::Object(entries.collect())
        }
    }
}

fn check(text: &str) -> Result<(), String> {
    let mut report = Report::new("p.yaml", text);
    let document = json(&syntax::parse(text, &mut report).unwrap_or_else(|| panic!("{text}")));
    let mut known = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource("policy.json", schema()).unwrap();
    let policy = compiler
        .compile("policy.json", &mut known)
        .unwrap_or_else(|error| panic!("{error:#}"));
    known.validate(&document, policy).map_err(|error| format!("{error:#}"))
}

#[test]
fn what_ships_and_every_case_passes() {
    let mut texts: Vec<String> = packs().map(|(_, text)| text.to_owned()).collect();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/cases")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let case: toml::Value = toml::from_str(&text).unwrap();
        texts.push(case["policy"].as_str().unwrap().to_owned());
    }
    let reference = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md")).unwrap();
    let examples = reference
        .split("\n```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("\n```").next());
    texts.extend(examples.map(str::to_owned));
    assert!(texts.len() > 30, "{}", texts.len());
    for text in texts {
        check(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

/// Whatever has a wrong key, shape or word is an error for both.
#[test]
fn what_is_not_of_the_language_does_not_pass() {
    for body in [
        "nett: {}",
        "net: []",
        "net: {alow: [x]}",
        "net: {blind: maybe}",
        "file: {allow: [/x]}",
        "file: {read: {allow: {a: b}}}",
        "exec: {allow: sudo}",
        "tool: {ask: [{when: 'args.a == 1'}]}",
        "tool: {ask: [{name: x, risk: grave}]}",
        "tool: {ask: [{name: x, wenn: y}]}",
        "exec: {ask: [{name: x, when: 'args.a == 1'}]}",
        "ask: {second_person: sometimes}",
        "model: {ask: [x]}",
        "model: {default: ask}",
        "data: {block: [secrets]}",
        "data: {from: {secret: {deny: [mail]}}}",
        "privileges: {allow: [fly]}",
        "spend: {fortnight: $1}",
        "spend: {day: $1, then: ask}",
        "rate: {unlnk: {over: 5/1s, then: deny}}",
        "rate: {unlink: {over: 5/1s}}",
        "hours: {deny: {a: b}}",
        "ask: {within: soon}",
        "ask: {approvers: [\"role:x\"]}",
        "mode: enforced",
        "default: ask",
        "governs: [{image: x}]",
        "scope: {tema: a}",
        "expect: [\"read /x\"]",
        "version: 0",
    ] {
        let text = if body.starts_with("version") {
            format!("policy: p\n{body}\n")
        } else {
            format!("policy: p\nversion: 1\n{body}\n")
        };
        assert!(
            parse_policy(&text, "p.yaml", &Environment::default()).is_err(),
            "{body} is read"
        );
        assert!(check(&text).is_err(), "{body}");
    }
    assert!(check("version: 1\n").is_err() && check("policy: P\nversion: 1\n").is_err());
}

/// No key is in one and not in the other: a misspelt one is told with those there are.
#[test]
fn it_has_the_keys_that_are_read() {
    let errors = parse_policy(
        "policy: p\nversion: 1\nzzzzzzzzzzzz: 1\n",
        "p.yaml",
        &Environment::default(),
    )
    .unwrap_err();
    let error = errors.items.iter().find(|item| item.code == Code::UnknownKey).unwrap();
    let hint = error.hint.clone().unwrap();
    let mut read: Vec<&str> = hint.trim_start_matches("the keys here are ").split(", ").collect();
    let schema = schema();
    let mut described: Vec<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    read.sort_unstable();
    described.sort_unstable();
    assert_eq!(read, described);
}
