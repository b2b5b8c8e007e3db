//! `model`: which models are called, by which rule, and what is wrong to write.

use crate::{Code, Decision, Environment, Limits, Policy, RuleKind, Section, Verdict, parse_action, parse_policy};

const TEXT: &str = "policy: p
version: 1
net: {default: allow}
file: {read: {}, write: {}}
exec: {}
model:
  allow: [\"claude-*\", \"gpt-5*\"]
  deny: [\"*-preview\"]
expect:
  - model claude-sonnet-5 -> allow
  - model openai/gpt-5-preview -> deny
  - model llama3 -> deny
";

fn parse(text: &str) -> Policy {
    parse_policy(text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn with(model: &str) -> Policy {
    parse(&format!("policy: p\nversion: 1\nmodel: {model}\n"))
}

/// The verdict, and the text of the rule that is cited.
fn judged(policy: &Policy, names: &[&str]) -> (Verdict, String) {
    let decision = policy.models(names);
    let rule = decision.rule().and_then(|id| policy.rule(id));
    assert!(decision.explicit() || rule.is_none());
    (
        decision.verdict(),
        rule.map_or_else(String::new, |rule| rule.text.clone()),
    )
}

#[test]
fn a_model_is_judged_by_the_strongest_rule_and_else_not_called() {
    let policy = parse(TEXT);
    let told = |verdict, text: &str| (verdict, text.to_owned());
    assert_eq!(judged(&policy, &["Claude-sonnet-5"]), told(Verdict::Allow, "claude-*"));
    assert_eq!(judged(&policy, &["claude-9-preview"]), told(Verdict::Deny, "*-preview"));
    assert_eq!(judged(&policy, &["llama3"]), told(Verdict::Deny, "*"));
    let unlisted = policy
        .models(&["llama3"])
        .rule()
        .and_then(|id| policy.rule(id))
        .unwrap();
    assert_eq!((unlisted.kind, unlisted.line), (RuleKind::BuiltIn, 0));
    assert!(policy.lists_models() && policy.lower(&Limits::default()).unwrap().judges_sends);
    assert_eq!(policy.warnings(), []);
    let gaps = policy.gaps_without_lsm(false);
    assert!(gaps.iter().all(|gap| gap.section != Section::Model), "{gaps:?}");
}

#[test]
fn of_many_names_each_must_be_allowed_and_no_name_is_none_that_is() {
    let policy = parse(TEXT);
    assert_eq!(judged(&policy, &["claude-a", "gpt-5"]).0, Verdict::Allow);
    assert_eq!(judged(&policy, &["claude-a", "llama3"]).0, Verdict::Deny);
    let nothing: [&str; 0] = [];
    assert_eq!(judged(&policy, &nothing), (Verdict::Deny, "*-preview".to_owned()));
    assert_eq!(judged(&with("{allow: [x]}"), &nothing), (Verdict::Deny, "*".to_owned()));
    let lenient = with("{default: allow, deny: [\"*-preview\"]}");
    assert_eq!(judged(&lenient, &["llama3"]).0, Verdict::Allow);
    assert_eq!(judged(&lenient, &nothing).0, Verdict::Deny);
    assert_eq!(judged(&with("{default: allow}"), &nothing).0, Verdict::Allow);
    assert_eq!(judged(&with("{}"), &["x"]).0, Verdict::Deny);
}

#[test]
fn without_the_section_nothing_is_said_of_models() {
    let policy = parse("policy: p\nversion: 1\n");
    assert!(!policy.lists_models() && !policy.lower(&Limits::default()).unwrap().judges_sends);
    assert_eq!(policy.models(&["x"]), Decision::NONE);
    let action = parse_action("model x", &policy, &Environment::default()).unwrap();
    assert_eq!(policy.evaluate(&action).verdict, Verdict::Ungoverned);
}

#[test]
fn an_explanation_says_where_it_is_enforced_and_what_would_allow_it() {
    let policy = parse(TEXT);
    let explained = |action: &str| {
        let action = parse_action(action, &policy, &Environment::default()).unwrap();
        assert_eq!(
            policy.evaluate(&action),
            policy.lower(&Limits::default()).unwrap().evaluate(&action)
        );
        policy.explain(&action).to_string()
    };
    let unlisted = explained("model llama3");
    assert!(
        unlisted.contains("because: no rule of model matches, and its default is deny"),
        "{unlisted}"
    );
    assert!(
        unlisted.contains("enforced: in the kernel (socket_sendmsg), by what the gateway reads"),
        "{unlisted}"
    );
    assert!(
        unlisted.ends_with("to allow it: model: {allow: [\"llama3\"]}"),
        "{unlisted}"
    );
    let denied = explained("model gpt-5-preview");
    assert!(
        denied.contains("because: `*-preview` in model.deny (line 8)"),
        "{denied}"
    );
    assert!(
        denied.contains("remove or narrow `*-preview` in model.deny"),
        "{denied}"
    );
    let connection = explained("connect 192.0.2.1:443");
    assert!(
        connection.contains("but calls of models inside TLS: as `model` says"),
        "{connection}"
    );
}

#[test]
fn it_is_read_back_as_it_was_printed_and_a_rule_that_never_decides_is_told() {
    for text in [
        TEXT,
        "policy: p\nversion: 1\nmodel: {}\n",
        "policy: p\nversion: 1\nmodel: {default: allow}\n",
    ] {
        let policy = parse(text);
        assert_eq!(parse(&policy.to_yaml()), policy, "{}", policy.to_yaml());
    }
    let dead = with("{allow: [gpt-5-preview], deny: [\"*-preview\"]}");
    let told: String = dead.warnings().iter().map(ToString::to_string).collect();
    assert!(told.contains("`gpt-5-preview` never decides anything"), "{told}");
    assert!(
        told.contains("deny is stronger than allow, and `*-preview` (line 3) matches the same"),
        "{told}"
    );
}

#[test]
fn mistakes_are_errors_that_say_what_can_be_written() {
    for (model, code, hint) in [
        ("{ask: [x]}", Code::NotYet, "write `deny`"),
        ("{allowed: [x]}", Code::UnknownKey, "did you mean `allow`?"),
        ("{allow: [\"gpt 5\"]}", Code::Value, "letters, digits"),
        ("{allow: [\"\"]}", Code::Value, "`*` for any"),
        ("{allow: claude}", Code::Shape, "[\"claude\"]"),
        ("[x]", Code::Shape, "key: value"),
        ("{default: ask}", Code::Value, ""),
    ] {
        let text = format!("policy: p\nversion: 1\nmodel: {model}\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        let [error] = errors.items.as_slice() else {
            panic!("{errors}");
        };
        assert_eq!((error.code, error.span.line), (code, 3), "{error}");
        assert!(error.hint.as_ref().is_some_and(|told| told.contains(hint)), "{error}");
    }
}
