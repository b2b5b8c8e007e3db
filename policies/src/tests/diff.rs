//! What two policies say differently is found in actions, whatever the words.

use crate::{Change, Difference, Environment, Policy, Verdict, diff, pack, parse_action, parse_policy, settings};

fn environment() -> Environment {
    Environment {
        home: Some("/home/dev".to_owned()),
        run: Some("/run/user/1000".to_owned()),
        lets: [("work".to_owned(), "/home/dev/src".to_owned())].into(),
    }
}

fn policy(rules: &str) -> Policy {
    let environment = environment();
    parse_policy(&format!("policy: p\nversion: 1\n{rules}"), "p.yaml", &environment).unwrap_or_else(|e| panic!("{e}"))
}

fn found(before: &str, after: &str) -> Vec<Difference> {
    diff(&policy(before), &policy(after))
}

fn of<'a>(differences: &'a [Difference], action: &str) -> &'a Difference {
    let found = differences.iter().find(|difference| difference.action == action);
    found.unwrap_or_else(|| panic!("no {action} in {differences:#?}"))
}

#[test]
fn other_words_for_the_same_are_no_difference() {
    let before = "file: {read: {allow: [/srv/a/**, /srv/b/**], deny: [\"**/.env\"]}}\nnet: {allow: [10.0.0.0/8]}\n";
    let after = "# reworded\nnet: {allow: [10.0.0.0/9, 10.128.0.0/9]}\nfile: {read: {deny: [\"**/.env\"], allow: [\"/srv/{a,b}/**\"]}}\n";
    assert_eq!(found(before, after), []);
    for (name, text) in crate::packs() {
        let read = |text: &str| parse_policy(text, name, &environment()).unwrap_or_else(|errors| panic!("{errors}"));
        let own = read(text);
        assert_eq!(diff(&own, &read(&own.to_yaml())), [], "{name}");
        assert_eq!(settings(&own, &own), [], "{name}");
    }
}

#[test]
fn a_rule_that_is_gone_is_found_where_it_decided() {
    let differences = found(
        "file: {read: {allow: [/srv/**], deny: [/srv/secret/**]}}\n",
        "file: {read: {allow: [/srv/**]}}\n",
    );
    let gained = of(&differences, "read /srv/secret/q");
    assert_eq!(gained.change, Change::Gained);
    assert_eq!(
        (gained.before.rule.as_deref(), gained.before.line),
        (Some("/srv/secret/**"), Some(3))
    );
    assert_eq!(
        (gained.after.rule.as_deref(), gained.after.line),
        (Some("/srv/**"), Some(3))
    );
    assert!(
        differences
            .iter()
            .all(|other| other.action.starts_with("read /srv/secret")),
        "{differences:#?}"
    );
}

#[test]
fn what_is_denied_anywhere_is_looked_for_within_what_is_allowed() {
    let differences = found(
        "file: {read: {allow: [/srv/**], deny: [\"**/.env\"]}}\nexec: {allow: [/usr/bin/**], deny: [sudo]}\n",
        "file: {read: {allow: [/srv/**]}}\nexec: {allow: [/usr/bin/**]}\n",
    );
    for action in ["read /srv/.env", "exec /usr/bin/sudo"] {
        assert_eq!(of(&differences, action).change, Change::Gained, "{action}");
    }
}

#[test]
fn ports_protocols_and_the_middle_of_networks_are_tried() {
    let wide = "net: {allow: [\"0.0.0.0/0\", \"10.0.0.0/8:8000-9000\"]}\n";
    for (after, action) in [
        ("net: {allow: [\"0.0.0.0/0:443\"]}\n", "connect 198.51.100.7:47001"),
        ("net: {allow: [\"0.0.0.0/0/tcp\"]}\n", "connect 198.51.100.7:443/udp"),
        (
            "net: {allow: [\"0.0.0.0/0\"], ask: [\"10.0.0.0/8:8000-8999\"]}\n",
            "connect 10.51.100.7:8000",
        ),
        (
            "net: {allow: [\"0.0.0.0/0\"], deny: [\"10.0.0.0/8:9000\"]}\n",
            "connect 10.51.100.7:9000",
        ),
    ] {
        assert_eq!(of(&found(wide, after), action).change, Change::Lost, "{after}");
    }
    let hosts = |list: &str| format!("net: {{allow: [{list}]}}\n");
    let differences = found(&hosts("\"*.example.com:443\""), &hosts("\"api.example.com:443\""));
    assert!(
        differences.iter().all(|difference| difference.change == Change::Lost),
        "{differences:#?}"
    );
    assert!(
        differences
            .iter()
            .any(|difference| difference.action.starts_with("dns "))
    );
}

#[test]
fn verdicts_that_do_not_let_pass_are_told_apart_and_those_that_do_are_not() {
    let differences = found(
        "exec: {ask: [\"git push ...\"]}\n",
        "exec: {kill: [\"git push ...\"]}\n",
    );
    let changed = of(&differences, "exec /usr/bin/git push x");
    assert_eq!(changed.change, Change::Otherwise);
    assert_eq!(
        [changed.before.verdict, changed.after.verdict].map(Verdict::word),
        ["ask", "kill"]
    );
    assert_eq!(
        found("exec: {default: allow}\n", ""),
        found("exec: {default: allow}\n", "exec: {default: allow}\n")
    );
}

#[test]
fn arguments_behind_a_pattern_that_is_open_are_tried() {
    let rules = |pattern: &str| format!("exec: {{allow: [\"{pattern}\"]}}\n");
    let differences = found(&rules("frob run"), &rules("frob run ..."));
    assert_eq!(of(&differences, "exec /usr/bin/frob run x").change, Change::Gained);
    assert!(!differences.iter().any(|other| other.action == "exec /usr/bin/frob run"));
}

#[test]
fn defaults_and_expect_lines_are_tried_once_each() {
    let differences = found(
        "file: {write: {allow: [/srv/**]}}\nexpect: [write /opt/x -> deny, write /opt/x -> deny]\n",
        "file: {write: {default: allow}}\nexpect: [write /opt/x -> allow]\n",
    );
    assert_eq!(of(&differences, "write /elsewhere/unnamed").change, Change::Gained);
    assert_eq!(
        differences
            .iter()
            .filter(|other| other.action == "write /opt/x")
            .count(),
        1
    );
}

#[test]
fn what_is_no_action_is_told_by_its_name() {
    let before = policy(
        "rate: {connect: {over: 100/s, then: deny}}\nspend: {day: $20}\nnet: {}\nhours: {allow: \"08:00-18:00 UTC\"}\n",
    );
    let after = policy(
        "mode: observe\nrate: {connect: {over: 50/s, then: deny}}\nnet: {blind: deny}\ndata: {block: [secret, pii.iban]}\n\
         file: {read: {}, label: {keys: [/srv/keys/**]}}\nmodel: {default: allow, deny: [\"gpt-*\"]}\n",
    );
    let told: Vec<String> = settings(&before, &after)
        .into_iter()
        .map(|setting| {
            let said = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            format!("{}: {} > {}", setting.name, said(setting.before), said(setting.after))
        })
        .collect();
    for line in [
        "mode: enforce > observe",
        "rate.connect: over 100/s: deny > over 50/s: deny",
        "spend.micro-dollars.day: $20.00 a day, then deny > -",
        "hours: closed outside of 08:00-18:00 UTC > -",
        "net.blind: allow > deny",
        "data.block: - > secret, pii.iban",
        "file.label.keys: - > /srv/keys/**",
        "model.default: ungoverned > allow",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
    }
}

#[test]
fn the_packs_differ_as_their_names_say() {
    let environment = environment();
    let packs = ["coding-agent", "lockdown"].map(|name| parse_policy(pack(name).unwrap(), name, &environment).unwrap());
    let [agent, lockdown] = &packs;
    let differences = diff(agent, lockdown);
    for difference in &differences {
        let action = parse_action(&difference.action, agent, &environment).unwrap();
        assert_eq!(
            agent.evaluate(&action).verdict,
            difference.before.verdict,
            "{}",
            difference.action
        );
    }
    assert!(
        differences
            .iter()
            .any(|other| other.change == Change::Lost && other.action.starts_with("connect "))
    );
    let swapped = diff(lockdown, agent);
    assert_eq!(differences.len(), swapped.len());
    for difference in &differences {
        let other = of(&swapped, &difference.action);
        assert_eq!((&other.before, &other.after), (&difference.after, &difference.before));
    }
}
