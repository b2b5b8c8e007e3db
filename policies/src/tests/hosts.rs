//! Host names, their patterns, and the classes they are lowered to.

use crate::{Code, Environment, HostName, HostTable, Limits, Policy, Verdict, parse_policy};
use proptest::prelude::*;

fn policy(net: &str) -> Policy {
    let text = format!("policy: p\nversion: 1\nnet: {net}\n");
    parse_policy(&text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn table(net: &str) -> HostTable {
    policy(net).lower(&Limits::default()).unwrap().hosts.unwrap()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

#[test]
fn a_name_has_one_form() {
    for (written, form) in [
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER。example。", "xn--bcher-kva.example"),
        ("_imaps._tcp.example", "_imaps._tcp.example"),
        ("ｅxample.com", "example.com"),
    ] {
        assert_eq!(name(written).as_str(), form);
    }
    assert_eq!(
        HostName::from_labels([b"API".as_slice(), b"Example"]).unwrap(),
        name("api.example")
    );
}

#[test]
fn what_is_no_name_is_refused() {
    let long = format!("{}.example", "a".repeat(64));
    let longer = vec!["a".repeat(63); 4].join(".");
    for wrong in [
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "-a.b",
        "a-.b",
        "a b",
        "a/b",
        "a*b",
        "127.0.0.1",
        "0x7f.1",
        "1",
        "10.0",
        "a.0",
        "a\u{0}b",
        "xn--\u{fc}",
        "xn--a-ecp.ru.",
        "１２７.0.0.1",
        "a%.b",
        &long,
        &longer,
    ] {
        assert!(
            HostName::parse(wrong).is_err(),
            "{wrong:?} is taken for {:?}",
            HostName::parse(wrong)
        );
    }
    for wrong in [&[b"a.b".as_slice(), b"c"][..], &[b"a\0"], &[b"\xff"], &[b""], &[]] {
        assert!(HostName::from_labels(wrong.iter().copied()).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_wrong_host_is_an_error_with_a_hint() {
    for (pattern, hint) in [
        ("**.example.com", "write `*.example.com`"),
        ("*github.com:443", "write `*.github.com`"),
        ("api.*.com", "one pattern for each domain"),
        ("*.*.example.com", "write `*.example.com`"),
        ("https://api.example.com/v1", "write `api.example.com:443`"),
        ("http://x.example", "write `x.example:80`"),
        ("localhost:8080", "loopback:8080"),
        ("*.localhost", "loopback"),
        ("lopback", "write `loopback`"),
        ("DNS", "write `dns`"),
        ("dns:53", "write `dns` alone"),
        ("dns/udp", "write `dns` alone"),
        ("api.example.com:https", "`:443`"),
        ("api.example.com/sctp", "`/tcp`"),
        ("api..example.com", "api.example.com:443"),
        ("0x7f.1", "api.example.com:443"),
        ("10.0.0:80", "10.0.0.0/8"),
        ("api.example.com/24", "10.0.0.0/8"),
    ] {
        let text = format!("policy: p\nversion: 1\nnet: {{allow: [\"{pattern}\"]}}\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        let codes: Vec<Code> = errors.items.iter().map(|item| item.code).collect();
        assert_eq!(codes, [Code::Net], "{pattern}: {errors}");
        let told = errors.items[0].hint.clone().unwrap_or_default();
        assert!(told.contains(hint), "{pattern}: {errors}");
    }
    for (list, hint) in [
        ("ask: [dns]", "they are looked up"),
        ("ask: [\"*:443\"]", "`default: ask`"),
        ("deny: [\"*:22\"]", "`0.0.0.0/0:22` and `[::]/0:22`"),
    ] {
        let text = format!("policy: p\nversion: 1\nnet: {{{list}}}\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        assert!(errors.to_string().contains(hint), "{list}: {errors}");
    }
}

#[test]
fn a_name_belongs_to_the_class_of_its_own_or_of_the_longest_wildcard() {
    let table = table("{allow: [a.example, \"*.example:443\", \"*.x.example\", b.x.example:1], deny: [c.example]}");
    let below = |text: &str| table.find(&name(text)).below.map(str::to_owned);
    assert_eq!(below("a.example"), None);
    assert_eq!(below("q.example").as_deref(), Some("example"));
    assert_eq!(below("q.x.example").as_deref(), Some("x.example"));
    assert_eq!(below("p.q.x.example").as_deref(), Some("x.example"));
    assert_eq!(below("other.test").as_deref(), Some("*"));
    assert!(!table.lists_others);
    for (text, verdict) in [
        ("a.example", Verdict::Allow),
        ("c.example", Verdict::Deny),
        ("example", Verdict::Deny),
        ("q.example", Verdict::Allow),
        ("other.test", Verdict::Deny),
    ] {
        assert_eq!(table.find(&name(text)).lookup.verdict(), verdict, "{text}");
    }
    // None, a, *.example, *.x and *.example, these and b.x, and c and *.example.
    assert_eq!(table.classes.len(), 6);
}

#[test]
fn hosts_that_differ_in_what_is_decided_are_limited_in_number() {
    let limits = Limits {
        max_host_classes: 3,
        ..Limits::default()
    };
    let error = policy("{allow: [\"a.test:1\", \"b.test:2\", \"c.test:3\"]}")
        .lower(&limits)
        .unwrap_err();
    assert!(error.message.contains("too many hosts"), "{error}");
    assert!(error.hint.contains("`*.domain`"));
    assert!(policy("{allow: [\"a.test:1\", \"b.test:2\"]}").lower(&limits).is_ok());
}

#[test]
fn names_may_lead_to_special_addresses_that_a_rule_names_and_to_no_other() {
    let canonical = |text: &str| crate::canonical(text.parse().unwrap());
    let table = table(
        "{allow: [a.example, \"0.0.0.0/0:443\", \"10.0.0.0/8:443\", \"[fd00::]/8\", loopback], deny: [192.168.0.0/16]}",
    );
    for allowed in [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "64:ff9b::a01:203",
        "fd00::1",
        "127.0.0.1",
        "::1",
    ] {
        assert!(table.allows_special(&canonical(allowed)), "{allowed}");
    }
    for not in ["192.168.0.1", "169.254.169.254", "fe80::1", "100.64.0.1", "0.0.0.0"] {
        assert!(!table.allows_special(&canonical(not)), "{not}");
    }
}

#[test]
fn a_connection_to_a_host_is_explained_with_what_would_allow_it() {
    let policy = policy("{allow: [loopback, \"a.example:443\"]}");
    let explain = |action: &str| {
        let action = crate::parse_action(action, &policy, &Environment::default()).unwrap();
        policy.explain(&action)
    };
    let allowed = explain("connect a.example:443");
    assert!(
        allowed.enforced.ends_with("by what the resolver answered)"),
        "{}",
        allowed.enforced
    );
    assert_eq!(explain("dns b.example").enforced, "in the resolver");
    let denied = explain("connect b.example:443");
    assert_eq!(denied.reason, "no rule of net lists this name, so it is not looked up");
    assert_eq!(denied.allow.as_deref(), Some("net: {allow: [\"b.example:443/tcp\"]}"));
}

#[test]
fn ways_round_the_resolver_are_closed_where_hosts_are_named() {
    let verdict = |net: &str, action: &str| {
        let policy = policy(net);
        let action = crate::parse_action(action, &policy, &Environment::default()).unwrap();
        let judgement = policy.evaluate(&action);
        assert_eq!(
            policy.lower(&Limits::default()).unwrap().evaluate(&action),
            judgement,
            "{action}"
        );
        judgement.verdict
    };
    let resolve = "unix /run/systemd/resolve/io.systemd.Resolve";
    assert_eq!(verdict("{allow: [\"unix:/run/**\"]}", resolve), Verdict::Allow);
    let named = "{allow: [a.example, \"unix:/run/**\"]}";
    assert_eq!(verdict(named, resolve), Verdict::Deny);
    assert_eq!(verdict(named, "unix /run/nscd/socket"), Verdict::Deny);
    assert_eq!(verdict(named, "unix /run/other"), Verdict::Allow);
    let open = "{default: allow, allow: [\"dns.example:853\", \"192.0.2.1:853\"], deny: [b.example]}";
    assert_eq!(verdict(open, "connect 9.9.9.9:853"), Verdict::Deny);
    assert_eq!(verdict(open, "connect [2620:fe::fe]:853"), Verdict::Deny);
    assert_eq!(verdict(open, "connect 9.9.9.9:443"), Verdict::Allow);
    assert_eq!(verdict(open, "connect 192.0.2.1:853"), Verdict::Allow);
    assert_eq!(verdict(open, "connect 9.9.9.9:853 as dns.example"), Verdict::Allow);
    assert_eq!(verdict(open, "connect 9.9.9.9:853 as c.example"), Verdict::Deny);
}

#[test]
fn dns_without_a_host_and_a_host_that_others_decide_are_warned_about() {
    let dead = |net: &str| -> Vec<String> {
        let policy = policy(net);
        let dead = policy.warnings().iter().filter(|warning| warning.code == Code::Dead);
        dead.map(|warning| warning.message.clone()).collect()
    };
    assert_eq!(
        dead("{allow: [dns, \"0.0.0.0/0:443\"]}"),
        ["`dns` never answers anything"]
    );
    assert_eq!(dead("{allow: [dns, a.example]}"), Vec::<String>::new());
    assert_eq!(dead("{allow: [dns, \"*:443\"]}"), Vec::<String>::new());
    assert_eq!(
        dead("{allow: [a.x.example], deny: [\"*.x.example\"]}"),
        ["`a.x.example` never decides anything"]
    );
}

proptest! {
    #[test]
    fn a_name_in_its_form_is_its_form(text in "\\PC{0,40}") {
        if let Ok(name) = HostName::parse(&text) {
            prop_assert_eq!(HostName::parse(name.as_str()), Ok(name.clone()));
            let labels = name.as_str().split('.').map(str::as_bytes);
            prop_assert_eq!(HostName::from_labels(labels), Ok(name));
        }
    }
}
