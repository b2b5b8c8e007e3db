//! `spend`: its limits, in the order of the file, and what is wrong to write.

use crate::{Code, Environment, Limits, Policy, Section, SpendUnit, SpendWindow, Verdict, parse_policy};

const TEXT: &str = "policy: p
version: 1
net: {default: allow}
file: {read: {}, write: {}}
exec: {}
spend: {session: $0.50, day: $20, month: $300, tokens: {hour: 2M}, calls: {week: 500}, zone: Europe/Berlin, warn: [80%, 50%], then: suspend}
";

fn parse(text: &str) -> Policy {
    parse_policy(text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn each_limit_is_a_rule() {
    let policy = parse(TEXT);
    let limits: Vec<_> = policy.spend_limits().collect();
    let read: Vec<_> = limits
        .iter()
        .map(|(limit, _)| (limit.unit, limit.window, limit.most))
        .collect();
    assert_eq!(
        read,
        [
            (SpendUnit::MicroDollars, SpendWindow::Session, 500_000),
            (SpendUnit::MicroDollars, SpendWindow::Day, 20_000_000),
            (SpendUnit::MicroDollars, SpendWindow::Month, 300_000_000),
            (SpendUnit::Tokens, SpendWindow::Hour, 2_000_000),
            (SpendUnit::Calls, SpendWindow::Week, 500),
        ]
    );
    let texts: Vec<_> = limits.iter().map(|(_, rule)| rule.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "$0.50 a session",
            "$20.00 a day",
            "$300.00 a month",
            "2000000 tokens an hour",
            "500 calls a week"
        ]
    );
    assert!(
        limits
            .iter()
            .all(|(_, rule)| rule.verdict == Verdict::Suspend && rule.line == 6)
    );
    let spending = policy.spending().unwrap();
    assert_eq!(
        (spending.zone.iana_name(), &*spending.warn),
        (Some("Europe/Berlin"), &[50, 80][..])
    );
    assert!(policy.lower(&Limits::default()).unwrap().judges_sends);
    assert_eq!(policy.warnings(), []);
    assert!(
        policy
            .gaps_without_lsm(false)
            .iter()
            .all(|gap| gap.section != Section::Spend)
    );
}

#[test]
fn it_is_printed_as_it_is_read() {
    let policy = parse(TEXT);
    assert_eq!(parse(&policy.to_yaml()), policy);
    let small = parse("policy: p\nversion: 1\nspend: {calls: {day: 0}}\n");
    assert_eq!(parse(&small.to_yaml()), small);
    assert!(small.spend_limits().all(|(_, rule)| rule.verdict == Verdict::Deny));
}

#[test]
fn what_it_adds_to_a_connection_is_explained() {
    let policy = parse(TEXT);
    let action = crate::parse_action("connect 192.0.2.1:443", &policy, &Environment::default()).unwrap();
    let limits = policy.explain(&action).limits;
    assert!(
        limits.contains(&"calls of models beyond $20.00 a day: suspend (line 6)".to_owned()),
        "{limits:?}"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (spend, code, message) in [
        ("{}", Code::Missing, "`spend` says no limit"),
        ("{warn: [50%]}", Code::Missing, "`spend` says no limit"),
        ("{day: 20}", Code::Value, "`20` is no sum of dollars"),
        ("{day: $-20}", Code::Value, "`$-20` is no sum of dollars"),
        ("{year: $20}", Code::NotYet, "`year` is not known by this version yet"),
        ("{dya: $20}", Code::UnknownKey, "no policy has a key `dya` here"),
        ("{tokens: {hour: 1.5M}}", Code::Value, "`1.5M` is no number"),
        ("{tokens: 2M}", Code::Shape, "`tokens` is a mapping"),
        (
            "{tokens: {zone: UTC}}",
            Code::UnknownKey,
            "no policy has a key `zone` here",
        ),
        ("{day: $1, zone: Berlin}", Code::Value, "there is no time zone `Berlin`"),
        ("{day: $1, warn: [0%]}", Code::Value, "`0%` is not a part of the whole"),
        (
            "{day: $1, warn: [101%]}",
            Code::Value,
            "`101%` is not a part of the whole",
        ),
        ("{day: $1, warn: 50%}", Code::Shape, "`warn` is a list"),
        (
            "{day: $1, then: ask}",
            Code::NotYet,
            "`then: ask` is not known by this version yet",
        ),
        ("{day: $1, then: allow}", Code::Value, "`allow` is not a value here"),
        ("[]", Code::Shape, "`spend` is a mapping"),
    ] {
        let text = format!("policy: p\nversion: 1\nspend: {spend}\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        let first = &errors.items[0];
        assert_eq!(first.code, code, "{spend}: {errors}");
        assert!(first.message.contains(message), "{spend}: {errors}");
    }
}
