//! Where a verdict turns on what no record holds, it is said; and not where it does not.

use crate::{Action, Environment, Limits, Unrecorded, parse_action, parse_policy};

fn turns_on(rules: &str, action: &str) -> Vec<Unrecorded> {
    let environment = Environment::default();
    let policy = parse_policy(&format!("policy: p\nversion: 1\n{rules}"), "p.yaml", &environment).unwrap();
    let action = parse_action(action, &policy, &environment).unwrap();
    let found = policy.turns_on(&action, |action| policy.evaluate(action).verdict);
    let lowered = policy.lower(&Limits::default()).unwrap();
    assert_eq!(
        policy.turns_on(&action, |action| lowered.evaluate(action).verdict),
        found
    );
    found
}

#[test]
fn arguments_count_where_a_rule_of_this_program_looks_at_them() {
    let rules = "exec: {allow: [/usr/bin/**], ask: [\"git push ...\"]}\n";
    assert_eq!(turns_on(rules, "exec git"), [Unrecorded::Arguments]);
    assert_eq!(turns_on(rules, "exec make"), []);
    assert_eq!(turns_on("exec: {allow: [/usr/bin/**], deny: [git]}\n", "exec git"), []);
    let stricter = "exec: {allow: [/usr/bin/**], ask: [\"git push ...\"], deny: [git]}\n";
    assert_eq!(turns_on(stricter, "exec git"), []);
}

#[test]
fn content_counts_where_it_would_decide() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let allowed = format!("exec: {{allow: [/usr/**, \"sha256:{hash}\"]}}\n");
    assert_eq!(turns_on(&allowed, "exec /srv/tool"), [Unrecorded::Content]);
    assert_eq!(turns_on(&allowed, "exec /usr/bin/make"), []);
}

#[test]
fn labels_and_names_count_where_they_would_decide() {
    let labels =
        "net: {allow: [10.0.0.0/8]}\nfile: {read: {}, label: {keys: [/srv/**]}}\ndata: {from: {keys: {deny: [net]}}}\n";
    assert_eq!(turns_on(labels, "connect 10.0.0.1:443"), [Unrecorded::Labels]);
    assert_eq!(turns_on(labels, "connect 192.0.2.1:443"), []);
    assert_eq!(turns_on(labels, "read /srv/x"), []);
    let hosts = "net: {allow: [\"api.example.com:443\", 10.0.0.0/8]}\n";
    assert_eq!(turns_on(hosts, "connect 192.0.2.1:443"), [Unrecorded::Names]);
    assert_eq!(turns_on(hosts, "connect 192.0.2.1:22"), []);
    assert_eq!(turns_on(hosts, "connect 10.0.0.1:443"), []);
    assert_eq!(turns_on(hosts, "connect 192.0.2.1:443 as api.example.com"), []);
}

#[test]
fn opening_to_write_may_be_opening_to_read() {
    let rules = "file: {read: {allow: [/srv/**]}, write: {allow: [/srv/**, /var/log/**]}}\n";
    assert_eq!(turns_on(rules, "write /var/log/x"), [Unrecorded::Reading]);
    assert_eq!(turns_on(rules, "write /srv/x"), []);
}

#[test]
fn what_is_not_governed_is_the_same_as_allowed() {
    assert_eq!(
        turns_on("net: {}\nfile: {write: {default: allow}}\n", "write /srv/x"),
        []
    );
    let policy = parse_policy("policy: p\nversion: 1\nnet: {}\n", "p.yaml", &Environment::default()).unwrap();
    let program = parse_action("exec git push", &policy, &Environment::default()).unwrap();
    assert!(matches!(&program, Action::Exec(_)));
    assert_eq!(policy.turns_on(&program, |action| policy.evaluate(action).verdict), []);
}
