//! `data.block`, `data.redact` and `net.blind`: what is not sent, by which rule, and what is wrong to write.

use crate::generate::random_policy_with_data;
use crate::{
    Code, Decision, Environment, Limits, Lowered, Policy, RuleKind, Section, Verdict, parse_action, parse_policy,
};

const TEXT: &str = "policy: p\nversion: 1
net: {allow: [\"api.example.com:443\", 192.0.2.1]}
file: {read: {}, write: {}, label: {kept: [/kept]}}
exec: {}
data:
  from: {kept: {deny: [net]}}
  block:
    - secret
    - private-key
";

fn parse(text: &str) -> Policy {
    parse_policy(text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn with(body: &str) -> Policy {
    parse(&format!("policy: p\nversion: 1\n{body}\n"))
}

fn classes(policy: &Policy) -> Vec<&'static str> {
    policy.withheld().map(|(class, _)| class).collect()
}

fn lowered(policy: &Policy) -> Lowered {
    policy.lower(&Limits::default()).unwrap()
}

#[test]
fn each_class_is_a_rule_that_denies_and_is_cited() {
    let policy = parse(TEXT);
    let lowered = lowered(&policy);
    let cited = policy.withheld().map(|(class, decision)| {
        let rule = policy.rule(decision.rule().unwrap()).unwrap();
        assert_eq!((rule.section, rule.kind), (Section::Block, RuleKind::Written));
        assert_eq!((rule.verdict, decision.verdict()), (Verdict::Deny, Verdict::Deny));
        assert!(decision.explicit());
        assert_eq!(rule.text, class);
        let told = lowered.rules.get(rule.id.index()).unwrap();
        assert_eq!(
            (&told.text, told.section, told.line),
            (&rule.text, rule.section, rule.line)
        );
        (class, rule.line)
    });
    assert_eq!(cited.collect::<Vec<_>>(), [("secret", 9), ("private-key", 10)]);
    assert_eq!(Section::Block.to_string(), "data.block");
    assert_eq!(serde_json::to_value(Section::Block).unwrap(), "data.block");
}

#[test]
fn a_class_named_twice_counts_once() {
    let policy = with("data: {block: [pii.card, secret, pii.card], redact: []}");
    assert_eq!(classes(&policy), ["pii.card", "secret"]);
    assert_eq!(policy.rules().iter().filter(|rule| rule.is_written()).count(), 2);
}

#[test]
fn what_would_be_replaced_is_not_sent_and_that_is_told() {
    let text = "policy: p\nversion: 1\nnet: {allow: [\"api.example.com:443\"]}\nfile: {read: {}, write: {}}\nexec: {}\ndata:\n  redact: [pii.email, secret]\n  block: [secret]\n";
    let policy = parse(text);
    assert_eq!(classes(&policy), ["secret", "pii.email", "secret"]);
    assert_eq!(
        policy.classes(Section::Redact).collect::<Vec<_>>(),
        ["pii.email", "secret"]
    );
    let cited = policy
        .withheld()
        .nth(1)
        .and_then(|(_, decision)| policy.rule(decision.rule()?));
    assert_eq!(
        cited.map(|rule| (rule.section.to_string(), rule.line)),
        Some(("data.redact".to_owned(), 7))
    );
    assert!(lowered(&policy).judges_sends);
    let told: String = policy.warnings().iter().map(ToString::to_string).collect();
    assert!(
        told.contains("`pii.email` is not replaced on its way, but not sent at all"),
        "{told}"
    );
    assert!(
        told.contains("7 |   redact: [pii.email, secret]\n  |            ^^^^^^^^^\n"),
        "{told}"
    );
    assert!(
        policy
            .gaps_without_lsm(false)
            .iter()
            .all(|gap| gap.section != Section::Redact)
    );
    assert_eq!(parse(&policy.to_yaml()), policy);
    assert_ne!(with("data: {redact: [secret]}"), with("data: {block: [secret]}"));
}

#[test]
fn tables_say_whether_something_is_withheld() {
    assert!(lowered(&parse(TEXT)).judges_sends);
    for nothing in ["", "data: {}", "data: {block: [], redact: []}"] {
        let policy = with(nothing);
        assert!(classes(&policy).is_empty(), "{nothing}");
        assert!(!lowered(&policy).judges_sends, "{nothing}");
    }
}

#[test]
fn a_policy_that_blocks_is_read_back_as_it_was_printed() {
    let print = |text: &str| {
        let (policy, printed) = (parse(text), parse(text).to_yaml());
        assert_eq!(parse(&printed), policy, "{printed}");
        policy.withheld().count()
    };
    assert_eq!(print(TEXT), 2);
    let printed: Vec<usize> = (0..20).map(|seed| print(&random_policy_with_data(seed))).collect();
    assert!([0, 1, 2].iter().all(|count| printed.contains(count)), "{printed:?}");
    assert_ne!(with("data: {block: [secret]}"), with("data: {block: [pii.card]}"));
    assert_ne!(with("data: {block: [secret]}"), with(""));
}

#[test]
fn mistakes_are_errors_that_say_what_can_be_written() {
    for (entries, code, message, hint) in [
        (
            "[secrets]",
            Code::Value,
            "`secrets` is not a value here",
            "did you mean `secret`?",
        ),
        (
            "[x]",
            Code::Value,
            "`x` is not a value here",
            "one of `secret`, `private-key`",
        ),
        (
            "secret",
            Code::Shape,
            "`block` is a list, this is text",
            "`[\"secret\"]`",
        ),
        (
            "[{secret: 1}]",
            Code::Shape,
            "this is text, this is a mapping",
            "one value",
        ),
        (
            "[\"vault/a b\"]",
            Code::Value,
            "`vault/a b`: no secret of the vault has such a name",
            "`vault/GITHUB_*`",
        ),
    ] {
        let text = format!("policy: p\nversion: 1\ndata:\n  block: {entries}\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        let [error] = errors.items.as_slice() else {
            panic!("{errors}");
        };
        assert_eq!((error.code, error.message.as_str()), (code, message));
        assert!(error.hint.as_ref().is_some_and(|told| told.contains(hint)), "{error}");
        assert_eq!(error.span.line, 4, "{error}");
    }
    let text = "policy: p\nversion: 1\ndata: {block: [secret, 'vault//']}\n";
    let errors = parse_policy(text, "p.yaml", &Environment::default()).unwrap_err();
    let underlined = "3 | data: {block: [secret, 'vault//']}\n  |                        ^^^^^^^^^\n";
    assert!(errors.to_string().contains(underlined), "{errors}");
}

#[test]
fn secrets_of_the_vault_are_named_by_patterns() {
    let text = "policy: p\nversion: 1\ndata: {block: ['vault/GITHUB_*', 'vault/DB'], redact: ['vault/*']}\n";
    let policy = parse(text);
    let cited = |name: &str| {
        let decision = policy.vaulted(name)?;
        Some(policy.rule(decision.rule()?)?.text.clone())
    };
    assert_eq!(cited("vault/GITHUB_TOKEN").as_deref(), Some("vault/GITHUB_*"));
    assert_eq!(cited("vault/DB").as_deref(), Some("vault/DB"));
    assert_eq!(cited("vault/OTHER").as_deref(), Some("vault/*"));
    assert_eq!(cited("aws-access-key-id"), None);
    assert!(policy.withholds() && policy.withheld().next().is_none());
    assert!(policy.lower(&Limits::default()).unwrap().judges_sends);
    let again = parse(&policy.to_yaml());
    assert_eq!(
        again.rules().iter().map(|rule| &rule.text).collect::<Vec<_>>(),
        policy.rules().iter().map(|rule| &rule.text).collect::<Vec<_>>()
    );
}

#[test]
fn blocking_is_no_gap_and_no_dead_rule() {
    let policy = parse(TEXT);
    assert_eq!(policy.warnings(), []);
    let gaps = policy.gaps_without_lsm(false);
    assert!(gaps.iter().all(|gap| gap.section != Section::Block), "{gaps:?}");
    assert_eq!(policy.gaps_without_contents(), []);
}

#[test]
fn an_explanation_of_a_connection_tells_what_is_not_sent_over_it() {
    let policy = parse(TEXT);
    let limits = |action: &str| {
        let action = parse_action(action, &policy, &Environment::default()).unwrap();
        policy.explain(&action).limits
    };
    let both = [
        "secret sent inside TLS: deny (line 9)",
        "private-key sent inside TLS: deny (line 10)",
    ];
    assert_eq!(limits("connect api.example.com:443"), both);
    assert_eq!(limits("connect 192.0.2.1:443"), both);
    for other in ["connect 192.0.2.2:443", "read /kept", "dns api.example.com"] {
        assert!(limits(other).is_empty(), "{other}");
    }
}

#[test]
fn secrets_that_may_go_nowhere_are_warned_about() {
    let warned = |body: &str| {
        let policy = with(body);
        let about = |message: &str| message.contains("names no host");
        policy
            .warnings()
            .iter()
            .filter(|warning| about(&warning.message))
            .count()
    };
    for nowhere in ["", "net: {}", "net: {allow: [192.0.2.1]}", "net: {allow: [dns]}"] {
        assert_eq!(
            warned(&format!("{nowhere}\ndata: {{block: [pii.card, secret]}}")),
            1,
            "{nowhere}"
        );
        assert_eq!(
            warned(&format!("{nowhere}\ndata: {{block: [private-key]}}")),
            0,
            "{nowhere}"
        );
    }
    for somewhere in [
        "net: {allow: [\"api.example.com:443\"]}",
        "net: {ask: [\"*.example.com\"]}",
        "net: {default: allow, allow: [dns]}",
    ] {
        assert_eq!(
            warned(&format!("{somewhere}\ndata: {{block: [secret]}}")),
            0,
            "{somewhere}"
        );
    }
    let policy = with("data: {block: [pii.card, secret]}");
    let told: String = policy.warnings().iter().map(ToString::to_string).collect();
    let underlined = "3 | data: {block: [pii.card, secret]}\n  |                          ^^^^^^\n";
    assert!(told.contains(underlined), "{told}");
    assert!(told.contains("vouches for the name"), "{told}");
}

#[test]
fn what_nobody_reads_is_denied_by_a_rule_that_is_cited() {
    let policy = with("net:\n  allow: [192.0.2.1]\n  blind: deny");
    let rule = policy.rule(policy.blind().rule().unwrap()).unwrap();
    assert_eq!(
        (
            rule.section.to_string().as_str(),
            rule.text.as_str(),
            rule.line,
            rule.verdict
        ),
        ("net.blind", "deny", 5, Verdict::Deny)
    );
    assert!(policy.blind().explicit());
    assert_eq!(lowered(&policy).blind, policy.blind());
    let printed = policy.to_yaml();
    assert_eq!(parse(&printed).to_yaml(), printed);
    assert_eq!(parse(&printed).blind(), policy.blind());
    assert!(
        policy.warnings().iter().all(|warning| warning.code != Code::Dead),
        "{:?}",
        policy.warnings()
    );
    let gaps = policy.gaps_without_lsm(false);
    assert!(
        gaps.iter().any(|gap| gap.section == Section::Blind && gap.line == 5),
        "{gaps:?}"
    );
    let action = parse_action("connect 192.0.2.1:443", &policy, &Environment::default()).unwrap();
    let limits = policy.explain(&action).limits;
    assert_eq!(limits, ["TLS that no probe reads: deny (line 5)"]);
    for nothing in ["net: {}", "net: {blind: allow}"] {
        assert_eq!(lowered(&with(nothing)).blind, Decision::NONE, "{nothing}");
    }
}

#[test]
fn a_wrong_word_for_what_nobody_reads_is_an_error() {
    for (word, code) in [("inspect", Code::NotYet), ("ask", Code::Value), ("[deny]", Code::Shape)] {
        let text = format!("policy: p\nversion: 1\nnet: {{blind: {word}}}\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        let [error] = errors.items.as_slice() else {
            panic!("{errors}");
        };
        assert_eq!((error.code, error.span.line), (code, 3), "{word}: {error}");
        assert!(error.hint.is_some(), "{error}");
    }
}
