//! Sockets of who acts for whoever asks.

use crate::deputies;
use crate::glob::PathPattern;
use crate::{Action, Environment, Policy, RuleKind, Verdict, parse_policy};

fn policy(body: &str) -> Policy {
    let text = format!("policy: p\nversion: 1\n{body}\n");
    parse_policy(&text, "p.yaml", &Environment::default()).unwrap()
}

fn docker() -> Action {
    Action::Unix {
        name: b"/run/docker.sock".to_vec(),
    }
}

#[test]
fn every_deputys_name_is_a_pattern_that_an_allow_of_the_same_words_opens() {
    let rules: Vec<_> = deputies::rules().collect();
    assert_eq!(rules.len(), 44);
    for rule in rules {
        let opened = policy(&format!("net: {{allow: [\"{}\"]}}", rule.text));
        let action = crate::witness::action(&rule, &mut |_| 0);
        assert_eq!(opened.evaluate(&action).verdict, Verdict::Allow, "{}", rule.text);
        assert_eq!(
            policy("net: {allow: [\"unix:/**\", \"unix:@**\"]}")
                .evaluate(&action)
                .verdict,
            Verdict::Deny
        );
    }
}

#[test]
fn a_pattern_names_a_socket_by_its_last_component() {
    let names = |text: &str| deputies::names(&PathPattern::socket(text).unwrap());
    for text in [
        "/run/docker.sock",
        "/run/user/*/bus",
        "/run/**/docker.sock",
        "@/tmp/x",
        "/run/{a,b}",
        "**/docker.sock",
    ] {
        assert!(names(text), "{text}");
    }
    for text in [
        "/run/**",
        "/**",
        "/run/*.sock",
        "/run/{a,b*}",
        "@**",
        "/run/docker.soc?",
        "**",
    ] {
        assert!(!names(text), "{text}");
    }
}

#[test]
fn they_are_closed_where_nothing_else_of_the_network_is_governed() {
    let policy = policy("exec: {default: allow}");
    let explanation = policy.explain(&docker());
    assert_eq!(
        (explanation.verdict, explanation.kind),
        (Verdict::Deny, Some(RuleKind::Deputy))
    );
    assert_eq!(
        explanation.allow.as_deref(),
        Some("net: {allow: [\"unix:/run/docker.sock\"], default: allow}")
    );
    let other = Action::Unix {
        name: b"/run/x".to_vec(),
    };
    assert_eq!(policy.evaluate(&other).verdict, Verdict::Ungoverned);
}

#[test]
fn the_line_that_is_offered_opens_it_and_nothing_else() {
    for body in [
        "exec: {default: allow}\nnet: {allow: [\"unix:/run/docker.sock\"], default: allow}",
        "net: {allow: [\"unix:/run/docker.sock\"]}",
    ] {
        let policy = policy(body);
        assert_eq!(policy.evaluate(&docker()).verdict, Verdict::Allow);
        let bus = Action::Unix {
            name: b"/run/dbus/system_bus_socket".to_vec(),
        };
        assert_eq!(policy.evaluate(&bus).verdict, Verdict::Deny);
    }
}
