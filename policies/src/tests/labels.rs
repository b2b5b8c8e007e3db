//! Labels: who gets them, what is taken from who carries them, and what is wrong to write.

use crate::generate::random_policy_with_labels;
use crate::{Action, Code, Environment, Limits, RuleKind, Section, Verdict, parse_action, parse_policy};

const TEXT: &str = "policy: p\nversion: 1
net: {allow: [192.0.2.1]}
file:
  read: {allow: [/**]}
  write: {allow: [/tmp/**, /srv/**]}
  label: {secret: [/srv/aws/**, '**/.env'], card: [/srv/cards/*]}
data:
  from: {secret: {deny: [net], ask: [exec]}, card: {deny: [file.write, net]}}
expect:
  - connect 192.0.2.1:443 -> allow
  - connect 192.0.2.1:443 carrying secret -> deny
  - connect 192.0.2.1:443 carrying card secret -> deny
  - unix /run/x carrying secret -> deny
  - dns a.example carrying secret -> deny
  - exec make carrying secret -> ask
  - exec make carrying card -> allow
  - write /tmp/x carrying secret -> allow
  - write /tmp/x carrying card -> deny
  - rename /srv/aws/a /srv/aws/b -> allow
  - rename /srv/aws/a /tmp/a -> deny
  - link /srv/aws/a /tmp/a -> deny
  - rename /srv/ /tmp/srv/ -> deny
  - bind 0.0.0.0:0 carrying secret -> allow
";

fn codes(body: &str) -> Vec<Code> {
    let text = format!("policy: p\nversion: 1\n{body}");
    match parse_policy(&text, "p.yaml", &Environment::default()) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            assert!(errors.items.iter().all(|item| item.hint.is_some()), "{errors}");
            errors.items.iter().map(|item| item.code).collect()
        }
    }
}

#[test]
fn what_carriers_may_not_is_denied_and_cited() {
    let policy = parse_policy(TEXT, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let action = parse_action(
        "connect 192.0.2.1:443 carrying secret",
        &policy,
        &Environment::default(),
    )
    .unwrap();
    assert_eq!(action.to_string(), "connect 192.0.2.1:443 carrying secret");
    let explanation = policy.explain(&action);
    assert_eq!(explanation.verdict, Verdict::Deny);
    assert_eq!(explanation.reason, "`net carrying secret` in data.from.deny (line 9)");
    let rule = policy.rule(explanation.rule.unwrap()).unwrap();
    assert_eq!((rule.section, rule.kind), (Section::Carried, RuleKind::Written));
    let read = policy.explain(&Action::Read {
        path: b"/srv/aws/.env".to_vec(),
    });
    assert!(
        read.reason
            .ends_with("who does it carries secret from then on: `secret: /srv/aws/**` in file.label (line 7)"),
        "{}",
        read.reason
    );
    assert!(
        policy.warnings().iter().all(|warning| warning.code == Code::Absent),
        "{:?}",
        policy.warnings()
    );
}

#[test]
fn mistakes_are_errors_with_hints() {
    for (body, code) in [
        ("file: {label: [x]}", Code::Shape),
        ("file: {label: {'a b': [/x]}}", Code::Value),
        ("file: {label: {a: /x}}", Code::Shape),
        ("file: {label: {a: [x]}}", Code::Path),
        ("file: {label: {a: [[x]]}}", Code::Shape),
        ("data: {from: {a: {deny: [net]}}}", Code::Value),
        (
            "file: {label: {a: [/x]}}\ndata: {from: {b: {deny: [net]}}}",
            Code::Value,
        ),
        ("file: {label: {a: [/x]}}\ndata: {form: {}}", Code::UnknownKey),
        ("file: {label: {a: [/x]}}\ndata: {from: {a: [net]}}", Code::Shape),
        (
            "file: {label: {a: [/x]}}\ndata: {from: {a: {allow: [net]}}}",
            Code::UnknownKey,
        ),
        (
            "file: {label: {a: [/x]}}\ndata: {from: {a: {deny: [file]}}}",
            Code::NotYet,
        ),
        (
            "file: {label: {a: [/x]}}\ndata: {from: {a: {deny: [nett]}}}",
            Code::NotYet,
        ),
        (
            "file: {label: {a: [/x]}}\ndata: {from: {a: {deny: [{net: 1}]}}}",
            Code::Shape,
        ),
        (
            "file: {label: {a: [/x]}}\nexpect: [connect 192.0.2.1:1 carrying b -> deny]",
            Code::ExpectSyntax,
        ),
        (
            "file: {label: {a: [/x]}}\nexpect: [connect 192.0.2.1:1 carrying -> deny]",
            Code::ExpectSyntax,
        ),
    ] {
        assert_eq!(codes(body), [code], "{body}");
    }
    let label = |number: usize| format!("l{number}: [/x{number}]");
    let many = |count: usize| {
        format!(
            "file: {{label: {{{}}}}}",
            (0..count).map(label).collect::<Vec<_>>().join(", ")
        )
    };
    assert_eq!(codes(&many(32)), []);
    assert_eq!(codes(&many(33)), [Code::TooLarge]);
    assert_eq!(codes(&many(40)), [Code::TooLarge]);
}

#[test]
fn a_label_that_takes_nothing_is_warned_about() {
    let text = "policy: p\nversion: 1\nfile: {label: {a: [/x]}}\n";
    let policy = parse_policy(text, "p.yaml", &Environment::default()).unwrap();
    let told = policy
        .warnings()
        .iter()
        .any(|warning| warning.message.contains("the label `a` takes nothing"));
    assert!(told, "{:?}", policy.warnings());
}

#[test]
fn a_policy_with_labels_is_read_back_as_it_was_printed() {
    let print = |text: &str| {
        let policy = parse_policy(text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"));
        let printed = policy.to_yaml();
        let again = parse_policy(&printed, "p.yaml", &Environment::default());
        assert_eq!(
            policy,
            again.unwrap_or_else(|errors| panic!("{printed}\n{errors}")),
            "{printed}"
        );
    };
    print(TEXT);
    (0..20).for_each(|seed| print(&random_policy_with_labels(seed)));
}

#[test]
fn bits_are_those_of_the_sorted_names() {
    let policy = parse_policy(TEXT, "p.yaml", &Environment::default()).unwrap();
    assert_eq!(policy.labels(), ["card", "secret"]);
    let lowered = policy.lower(&Limits::default()).unwrap();
    assert_eq!(lowered.path(b"/srv/cards/.env").0.labels, 3);
    assert_eq!(lowered.path(b"/srv/cards/a/.env").0.labels, 2);
    assert_eq!(lowered.path(b"/srv/other").0.labels, 0);
}
