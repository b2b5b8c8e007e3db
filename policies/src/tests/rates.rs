//! `rate`, `hours`, and rules that suspend or kill.

use crate::{Action, Decision, Environment, Limits, Policy, RateClass, Verdict, parse_policy};

fn parse(body: &str) -> Result<Policy, String> {
    let text = format!("policy: p\nversion: 1\n{body}");
    parse_policy(&text, "p.yaml", &Environment::default()).map_err(|errors| errors.to_string())
}

#[test]
fn rates_and_hours_are_lowered_with_the_rule_that_records_cite() {
    let policy = parse(
        "file: {read: {allow: [/**]}}\nrate:\n  unlink: {over: 50/10s, then: ask}\n  fork: {over: 2000/m, then: suspend}\nhours: {deny: \"22:00-06:00 Europe/Berlin\", days: [mon-fri]}\n",
    )
    .unwrap();
    let lowered = policy.lower(&Limits::default()).unwrap();
    let cited = |decision: Decision| {
        let rule = policy.rule(decision.rule().unwrap()).unwrap();
        (decision.verdict(), decision.explicit(), rule.text.clone(), rule.line)
    };
    let rate = |class| lowered.rates.iter().find(|rate| rate.class == class).unwrap();
    let unlink = rate(RateClass::Unlink);
    assert_eq!((unlink.interval_ns, unlink.burst_ns), (200_000_000, 9_800_000_000));
    assert_eq!(
        cited(unlink.decision),
        (Verdict::Ask, true, "unlink over 50/10s".to_owned(), 5)
    );
    let fork = rate(RateClass::Fork);
    assert_eq!(
        cited(fork.decision),
        (Verdict::Suspend, true, "fork over 2000/m".to_owned(), 6)
    );
    let hours = "22:00-06:00 Europe/Berlin (mon, tue, wed, thu, fri)".to_owned();
    assert_eq!(cited(lowered.hours.unwrap()), (Verdict::Deny, true, hours, 7));
    // They are about no object: neither dead, nor in anybody's way.
    let warned: Vec<_> = policy
        .warnings()
        .iter()
        .map(|warning| warning.message.clone())
        .collect();
    assert!(warned.iter().all(|warning| warning.contains("is absent")), "{warned:?}");
    assert_eq!(
        policy.evaluate(&Action::Read { path: b"/x".to_vec() }).verdict,
        Verdict::Allow
    );
    let printed = policy.to_yaml();
    assert_eq!(
        parse_policy(&printed, "p.yaml", &Environment::default()).unwrap(),
        policy,
        "{printed}"
    );
}

#[test]
fn an_explanation_tells_how_often_and_when() {
    let policy = parse(
        "exec: {allow: [/usr/**]}\nnet: {}\nrate: {exec: {over: 9/s, then: deny}}\nhours: {allow: \"08:00-18:00 UTC\"}\n",
    )
    .unwrap();
    let explained = |text: &str| {
        let action = crate::parse_action(text, &policy, &Environment::default()).unwrap();
        policy.explain(&action).limits
    };
    let hours = "outside of 08:00-18:00 UTC: deny (line 6)".to_owned();
    assert_eq!(
        explained("exec /usr/bin/make"),
        ["exec over 9/s: deny (line 5)".to_owned(), hours]
    );
    assert!(explained("connect 192.0.2.1:443").is_empty());
}

#[test]
fn the_strictest_verdict_wins_whatever_the_order() {
    let policy = parse(
        "file:\n  read: {allow: [/**], kill: [/a/b/c], suspend: [/a/b/**], deny: [/a/**], ask: [/a/x]}\nexpect:\n  - read /a/b/c -> kill\n  - read /a/b/d -> suspend\n  - read /a/x -> deny\n  - read /x -> allow\n",
    );
    let policy = policy.unwrap();
    let printed = policy.to_yaml();
    assert_eq!(
        parse_policy(&printed, "p.yaml", &Environment::default()).unwrap(),
        policy,
        "{printed}"
    );
}

#[test]
fn what_is_wrong_is_told_with_what_to_write() {
    for (body, message, hint) in [
        (
            "rate: {unlink: {over: 50, then: deny}}",
            "`50` is not a rate",
            "`50/10s`",
        ),
        (
            "rate: {unlink: {over: 5/s}}",
            "a rate says `over` what and `then` what",
            "{over: 50/10s, then: deny}",
        ),
        (
            "rate: {unlnk: {over: 5/s, then: deny}}",
            "no policy has a key `unlnk` here",
            "did you mean `unlink`?",
        ),
        (
            "rate: {fork: {over: 5/s, then: ask}}",
            "cannot wait for an answer",
            "`then: deny`",
        ),
        (
            "rate: {exec: {over: 5/s, then: allow}}",
            "`allow` is not a value here",
            "`deny`",
        ),
        (
            "rate: {send: {over: 5/s, then: deny}}",
            "`send` is not known by this version yet",
            "limit `connect`",
        ),
        (
            "hours: {deny: \"22:00-06:00\"}",
            "`22:00-06:00` is not from when to when",
            "IANA",
        ),
        (
            "hours: {deny: \"22:00-06:00 Mars/Base\"}",
            "not from when to when",
            "IANA",
        ),
        ("hours: {deny: []}", "there is no time in it", "or remove it"),
        ("hours: {days: [mon]}", "`hours` says no time", "hours: {deny:"),
        (
            "hours: {deny: \"1:00-2:00 UTC\", allow: \"3:00-4:00 UTC\"}",
            "open or when it is closed",
            "keep one",
        ),
        (
            "hours: {deny: \"1:00-2:00 UTC\", days: [monday]}",
            "`monday` is not a day",
            "mon-fri",
        ),
        (
            "net: {kill: [evil.example]}",
            "a name cannot kill an agent",
            "under `deny`",
        ),
        (
            "net: {suspend: [dns]}",
            "a name cannot suspend an agent",
            "under `deny`",
        ),
    ] {
        let told = parse(&format!("{body}\n")).unwrap_err();
        assert!(told.contains(message) && told.contains(hint), "{body}: {told}");
    }
}
