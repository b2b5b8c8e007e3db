//! Every error of a file at once, each with its place, cause and hint.

use crate::{Code, Environment, parse_policy};

fn errors(text: &str) -> String {
    parse_policy(text, "p.yaml", &Environment::default())
        .unwrap_err()
        .to_string()
}

fn codes(body: &str) -> Vec<Code> {
    let text = format!("policy: p\nversion: 1\n{body}");
    match parse_policy(&text, "p.yaml", &Environment::default()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.items.iter().map(|item| item.code).collect(),
    }
}

#[test]
fn an_error_shows_the_line_underlined_with_cause_hint_and_code() {
    let text = "policy: p\nversion: 1\nfile:\n  read:\n    alow: [/**]\n    deny: [\"$hme/.ssh\", work/x]\nnet: {allow: [\"*api.example.com:443\"]}\n";
    let expected = "\
error: no policy has a key `alow` here
 --> p.yaml:5:5
  |
5 |     alow: [/**]
  |     ^^^^
  = hint: did you mean `allow`?
  = code: AA-P004

error: nothing defines `$hme`
 --> p.yaml:6:12
  |
6 |     deny: [\"$hme/.ssh\", work/x]
  |            ^^^^^^^^^^^
  = hint: add `let: {hme: /...}`; a literal dollar is written `\\$`
  = code: AA-P008

error: `work/x` is not an absolute path
 --> p.yaml:6:25
  |
6 |     deny: [\"$hme/.ssh\", work/x]
  |                         ^^^^^^
  = hint: write `**/work/x` for that name at any depth, or `$work/work/x`
  = code: AA-P009

error: `*api.example.com:443`: a `*` stands for whole labels, at the beginning of a name
 --> p.yaml:7:15
  |
7 | net: {allow: [\"*api.example.com:443\"]}
  |               ^^^^^^^^^^^^^^^^^^^^^^
  = cause: `*.api.example.com` is every name below `api.example.com`, one label or more
  = hint: write `*.api.example.com`, and `api.example.com` too if it is meant
  = code: AA-P010
";
    assert_eq!(errors(text), expected);
}

#[test]
fn what_later_versions_know_is_an_error_with_a_hint() {
    for body in [
        "tool: {alert: [x]}",
        "model: {ask: [x]}",
        "file: {label: {secret: [/x]}}\ndata: {from: {secret: {kill: [net]}}}",
        "file: {label: {secret: [/x]}}\ndata: {from: {secret: {deny: [model]}}}",
        "spend: {day: $1, then: ask}",
        "ask: {approvers: [\"role:approver\"]}",
        "net: {blind: inspect}",
        "privileges: {ask: [setuid]}",
        "exec: {alert: [x]}",
        "net: {alert: [127.0.0.1]}",
        "exec: {deny: [{name: x, when: 'args.a == 1'}]}",
        "governs: [{pod: {namespace: x}}]",
        "governs: [{image: x}]",
        "expect: [\"spend 1 -> deny\"]",
    ] {
        assert_eq!(codes(body), [Code::NotYet], "{body}");
        assert!(
            errors(&format!("policy: p\nversion: 1\n{body}")).contains("hint: "),
            "{body}"
        );
    }
}

#[test]
fn values_that_cannot_be_meant_are_errors() {
    for (body, code) in [
        ("mode: enforced", Code::Value),
        ("default: ask", Code::Value),
        ("scope: {team: a, org: b}", Code::Value),
        ("scope: {tema: a}", Code::UnknownKey),
        ("net:", Code::Shape),
        ("net: {allow: loopback}", Code::Shape),
        ("net: {allow: [[::1]]}", Code::Shape),
        ("net: {allow: [10.0.0.1/8]}", Code::Net),
        ("net: {allow: [\"127.0.0.1:70000\"]}", Code::Net),
        ("net: {allow: [\"127.0.0.1:9-1\"]}", Code::Net),
        ("net: {allow: [127.0.0.1/sctp]}", Code::Net),
        ("file: {read: {allow: [/a/]}}", Code::Path),
        ("file: {read: {allow: [/a/../b]}}", Code::Path),
        ("file: {read: {allow: [/a//b]}}", Code::Path),
        ("file: {read: {allow: [\"/a[\"]}}", Code::Path),
        ("file: {read: {allow: [\"/a{b\"]}}", Code::Path),
        ("file: {read: {allow: [\"/[/]\"]}}", Code::Path),
        ("file: {allow: [/a]}", Code::UnknownKey),
        ("exec: {allow: [/usr/bin/git push]}", Code::Exec),
        ("exec: {allow: [bin/git]}", Code::Exec),
        ("exec: {allow: [\"sha256:00\"]}", Code::Exec),
        (
            "exec: {deny: [\"sha256:0000000000000000000000000000000000000000000000000000000000000g0\"]}",
            Code::Exec,
        ),
        ("exec: {allow: [git ... push]}", Code::Exec),
        ("exec: {allow: [\"{a,b}\"]}", Code::Exec),
        ("mode: enforce\nmode: observe", Code::Duplicate),
        ("about: &a x", Code::Document),
        ("about: !!str x", Code::Document),
        ("expect: [read /x]", Code::ExpectSyntax),
        ("expect: [raed /x -> deny]", Code::ExpectSyntax),
        ("expect: [read x -> deny]", Code::ExpectSyntax),
        ("expect: [\"exec git push\\0 -> deny\"]", Code::ExpectSyntax),
        ("file: {read: {}}\nexpect: [read /x -> allow]", Code::ExpectFailed),
        (
            "net: {}\nexpect: [\"connect a.example:443 -> allow\"]",
            Code::ExpectFailed,
        ),
        ("expect: [\"connect a.example -> deny\"]", Code::ExpectSyntax),
        ("expect: [\"connect a..example:443 -> deny\"]", Code::ExpectSyntax),
        (
            "expect: [\"connect a.example:443 as b.example -> deny\"]",
            Code::ExpectSyntax,
        ),
        ("expect: [\"connect 192.0.2.1:443 as -> deny\"]", Code::ExpectSyntax),
        ("expect: [\"bind a.example:443 -> deny\"]", Code::ExpectSyntax),
        ("let: {home: /x}", Code::Value),
    ] {
        assert_eq!(codes(body), [code], "{body}");
    }
}

#[test]
fn a_file_that_is_not_yaml_says_where() {
    let text = errors("policy: p\nversion: 1\nfile: {read: {deny: [**/.env]}}\n");
    assert!(
        text.contains("AA-P001") && text.contains("p.yaml:3:") && text.contains("quote patterns"),
        "{text}"
    );
    assert!(errors("").contains("AA-P002"));
    assert!(errors("policy: p\nversion: 1\n---\nx: y\n").contains("a second document"));
    assert!(errors(&"#".repeat((1 << 20) + 1)).contains("1 MiB"));
    assert!(errors(&"[".repeat(10_000)).contains("AA-P00"));
}

#[test]
fn a_failed_expect_line_says_which_rule_decided() {
    let text =
        errors("policy: p\nversion: 1\nfile: {read: {allow: [/**], deny: [/x/**]}}\nexpect:\n  - read /x/y -> allow\n");
    assert!(text.contains("expected allow, but it is deny"), "{text}");
    assert!(text.contains("`/x/**` in file.read.deny (line 3)"), "{text}");
}

#[test]
fn diagnostics_serialize_with_their_codes() {
    let errors = parse_policy("policy: p\nversion: x\n", "p.yaml", &Environment::default()).unwrap_err();
    let json = serde_json::to_value(&errors).unwrap();
    assert_eq!(json[0]["code"], "AA-P007");
    assert_eq!(json[0]["span"]["line"], 2);
}

#[test]
fn absent_sections_and_dead_rules_are_warned_about() {
    let text = "policy: p\nversion: 1\nfile: {read: {allow: [/a/**, /a/b], deny: [/a/c/**, /a/c/d, /a/*]}}\nnet: {allow: [10.0.0.0/8, 10.1.0.0/16], deny: [10.0.0.0/7]}\n";
    let policy = parse_policy(text, "p.yaml", &Environment::default()).unwrap();
    let shown: Vec<&str> = policy
        .warnings()
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(
        shown,
        [
            "`file.write` is absent: changing files is not governed",
            "`exec` is absent: running programs is not governed",
            "`/a/b` never decides anything",
            "`10.0.0.0/8` never decides anything",
            "`10.1.0.0/16` never decides anything",
        ]
    );
    assert_eq!(
        policy.warnings()[2].cause.as_deref(),
        Some("deny is stronger than allow, and `/a/*` (line 3) matches the same")
    );
}

#[test]
fn an_explanation_names_rule_hook_and_what_would_allow_it() {
    let text = "policy: p\nversion: 1\nfile: {write: {allow: [/a/**], ask: [/a/x]}}\n";
    let policy = parse_policy(text, "p.yaml", &Environment::default()).unwrap();
    let write = |path: &str| policy.explain(&crate::Action::Write { path: path.into() });
    assert_eq!(write("/b").allow.as_deref(), Some("file.write: {allow: [\"/b\"]}"));
    assert_eq!(write("/a/y").allow, None);
    assert_eq!(write("/dev/null").kind, Some(crate::RuleKind::BuiltIn));
    assert!(
        write("/a/x")
            .allow
            .unwrap()
            .starts_with("nothing added: ask is stronger")
    );
    assert!(write("/b").enforced.contains("path_unlink"));
    assert_eq!(
        policy.explain(&crate::Action::Read { path: b"/b".to_vec() }).enforced,
        "nowhere"
    );
}
