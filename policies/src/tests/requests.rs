//! Rules of `net` with conditions: what is wrong to write, and what the tables say of connecting.

use crate::{Code, Decision, Environment, Facts, FarEnd, HostName, Limits, Policy, Protocol, Verdict, parse_policy};
use std::net::SocketAddr;

fn parse(net: &str) -> Result<Policy, Vec<Code>> {
    let text = format!("policy: p\nversion: 1\nnet: {net}\n");
    let errors = |errors: crate::Diagnostics| errors.items.iter().map(|item| item.code).collect();
    parse_policy(&text, "p.yaml", &Environment::default()).map_err(errors)
}

fn policy(net: &str) -> Policy {
    parse(net).unwrap_or_else(|errors| panic!("{net}: {errors:?}"))
}

#[test]
fn what_nobody_could_judge_is_refused() {
    let one = |entry: &str| parse(&format!("{{blind: deny, allow: [{entry}]}}")).err();
    let wrong = |code| Some(vec![code]);
    let get = r#"when: 'http.method == "GET"'"#;
    assert_eq!(one(&format!("{{name: api.example.com:443, {get}}}")), None);
    assert_eq!(
        one(&format!("{{name: 'unix:/run/x.sock', {get}}}")),
        wrong(Code::Condition)
    );
    assert_eq!(one(&format!("{{name: dns, {get}}}")), wrong(Code::Condition));
    assert_eq!(
        one(&format!("{{name: api.example.com:443/udp, {get}}}")),
        wrong(Code::Condition)
    );
    assert_eq!(
        one("{name: api.example.com:443, when: 'args.x == 1'}"),
        wrong(Code::Condition)
    );
    assert_eq!(
        one("{name: api.example.com:443, when: 'http.body == 1'}"),
        wrong(Code::Condition)
    );
    assert_eq!(one("{name: api.example.com:443, when: ''}"), wrong(Code::Condition));
    assert_eq!(
        parse(&format!("{{allow: [{{name: api.example.com:443, {get}}}]}}")).err(),
        wrong(Code::Missing),
        "what nobody reads would not be judged"
    );
}

#[test]
fn tables_let_connect_where_requests_are_judged_and_say_so() {
    let policy = policy(
        r#"{blind: deny, allow: [{name: "api.example.com:443", when: 'http.method == "GET"'}, plain.example.com, "10.0.0.0/8"], deny: [{name: "10.1.0.0/16:443", when: 'http.path == "/x"'}]}"#,
    );
    let lowered = policy.lower(&Limits::default()).unwrap();
    assert!(lowered.judges_sends && policy.judges_requests());
    let of_host = |name: &str, port| {
        let hosts = lowered.hosts.as_ref().unwrap();
        let class = &hosts.classes[usize::from(hosts.find(&HostName::parse(name).unwrap()).class.0)];
        [Protocol::Tcp, Protocol::Udp].map(|protocol| class.decide(port, protocol).unwrap())
    };
    let says = |decision: Decision| (decision.verdict(), decision.judges_requests());
    assert_eq!(
        of_host("api.example.com", 443).map(says),
        [(Verdict::Allow, true), (Verdict::Deny, false)]
    );
    assert_eq!(of_host("api.example.com", 80).map(says), [(Verdict::Deny, false); 2]);
    assert_eq!(
        of_host("plain.example.com", 443).map(says),
        [(Verdict::Allow, false); 2]
    );
    let of_address = |address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        says(lowered.address(&crate::destination(address), address.port(), Protocol::Tcp))
    };
    assert_eq!(of_address("10.1.2.3:443"), (Verdict::Allow, true));
    assert_eq!(of_address("10.1.2.3:80"), (Verdict::Allow, false));
    assert_eq!(of_address("10.2.2.3:443"), (Verdict::Allow, false));
}

#[test]
fn a_request_is_judged_by_where_it_goes_and_whom_it_is_for() {
    let policy = policy(
        r#"{blind: deny, allow: [{name: "api.example.com:443", when: 'http.method == "GET"'}], deny: [{name: "www.example.com:443", when: 'http.path == "/x"'}]}"#,
    );
    let names = ["api.example.com", "www.example.com"].map(|name| HostName::parse(name).unwrap());
    let get = |path: &str| Facts::default().http("GET", None, path);
    let to = |names, host| FarEnd {
        names,
        host,
        address: None,
        port: 443,
    };
    let judged = |to: Option<FarEnd<'_>>, facts: &Facts| policy.request(to.as_ref(), facts).verdict();
    let [api, www] = &names;
    assert_eq!(judged(Some(to(&names, Some(api))), &get("/y")), Verdict::Allow);
    assert_eq!(
        judged(Some(to(&names, Some(api))), &get("/x")),
        Verdict::Deny,
        "it may be for the other"
    );
    assert_eq!(
        judged(Some(to(&names, Some(www))), &get("/y")),
        Verdict::Deny,
        "that one allows nothing"
    );
    assert_eq!(
        judged(Some(to(&names, None)), &get("/y")),
        Verdict::Deny,
        "for whom is not known"
    );
    assert_eq!(
        judged(Some(to(&names[..1], Some(api))), &Facts::default()),
        Verdict::Deny
    );
    // Where it goes is not known: conditions hold for all of it.
    assert_eq!(judged(None, &get("/y")), Verdict::Allow);
    assert_eq!(judged(None, &get("/x")), Verdict::Deny);
    let other = [HostName::parse("other.example.com").unwrap()];
    assert_eq!(judged(Some(to(&other, None)), &Facts::default()), Verdict::Ungoverned);
}

#[test]
fn it_is_written_as_it_was_read() {
    let text = r#"{blind: deny, allow: [{name: "api.example.com:443", when: 'http.path.matches("^/a\\.b")', risk: high}], kill: [{name: "api.example.com:443", when: 'time.hour < 6'}]}"#;
    let policy = policy(text);
    let again = parse_policy(&policy.to_yaml(), "p.yaml", &Environment::default()).unwrap();
    let rules = |policy: &Policy| -> Vec<_> {
        let rules = policy.rules().iter();
        rules.map(|rule| (rule.text.clone(), rule.verdict, rule.risk)).collect()
    };
    assert_eq!(rules(&policy), rules(&again));
}
