//! `tool`: which tools are called and with what, by which rule, and what is wrong to write.

use crate::{Code, Decision, Environment, Facts, Limits, Policy, Risk, RuleKind, Verdict, parse_action, parse_policy};
use serde_json::{Value, json};

const TEXT: &str = r#"policy: p
version: 1
let: {work: /srv/work}
net: {default: allow}
file: {read: {}, write: {}}
exec: {}
tool:
  allow: ["fs.read_*", "search", {name: "db.query", when: 'args.limit <= 100'}]
  ask: [{name: "db.query", when: 'args.sql.matches("(?i)^\\s*(delete|drop|truncate)")', risk: critical}]
  deny: ["shell.*", {name: "fs.*", when: '!args.path.startsWith("/srv/work/")', risk: high}]
expect:
  - 'tool fs.read_file {"path": "$work/notes"} -> allow'
  - 'tool fs.read_file {"path": "/etc/shadow"} -> deny high'
  - 'tool db.query {"sql": "drop table users", "limit": 1} -> ask critical'
  - 'tool db.query {"sql": "select 1 -> 2", "limit": 1} -> allow'
  - tool search -> allow
  - tool unheard_of -> deny
"#;

fn parse(text: &str) -> Policy {
    parse_policy(text, "p.yaml", &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(tool: &str) -> Vec<Code> {
    let text = format!("policy: p\nversion: 1\ntool: {tool}\n");
    let errors = parse_policy(&text, "p.yaml", &Environment::default()).expect_err(tool);
    errors.items.iter().map(|item| item.code).collect()
}

/// The verdict, and the text of the rule that is cited.
fn judged(policy: &Policy, name: Option<&str>, facts: &Facts) -> (Verdict, String) {
    let decision = policy.tool(name, facts);
    let rule = decision.rule().and_then(|id| policy.rule(id));
    (
        decision.verdict(),
        rule.map_or_else(String::new, |rule| rule.text.clone()),
    )
}

fn called(policy: &Policy, name: &str, arguments: &Value) -> Verdict {
    judged(policy, Some(name), &Facts::default().arguments(arguments)).0
}

#[test]
fn a_tool_is_judged_by_its_name_and_by_what_it_is_called_with() {
    let policy = parse(TEXT);
    let read = |path: &str| called(&policy, "fs.read_file", &json!({"path": path}));
    assert_eq!(read("/srv/work/a"), Verdict::Allow);
    assert_eq!(read("/srv/workshop"), Verdict::Deny);
    assert_eq!(
        called(&policy, "fs.write_file", &json!({"path": "/srv/work/a"})),
        Verdict::Deny
    );
    let sql = |sql: &str| called(&policy, "db.query", &json!({"sql": sql, "limit": 7}));
    assert_eq!(sql("select 1"), Verdict::Allow);
    assert_eq!(sql("  DROP table users"), Verdict::Ask);
    assert_eq!(
        called(&policy, "db.query", &json!({"sql": "select 1", "limit": 101})),
        Verdict::Deny
    );
    assert_eq!(
        called(&policy, "db.query", &json!({"sql": "select 1", "limit": 99.5})),
        Verdict::Allow
    );
    assert_eq!(called(&policy, "search", &json!({})), Verdict::Allow);
    assert_eq!(called(&policy, "shell.run", &json!({})), Verdict::Deny);
    assert!(policy.lists_tools() && policy.lower(&Limits::default()).unwrap().judges_sends);
    let warned: Vec<&str> = policy
        .warnings()
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(warned, ["`tool` judges MCP inside TLS alone"]);
    let unlisted = policy
        .tool(Some("other"), &Facts::default())
        .rule()
        .and_then(|id| policy.rule(id))
        .unwrap();
    assert_eq!((unlisted.kind, unlisted.text.as_str()), (RuleKind::BuiltIn, "*"));
}

#[test]
fn what_cannot_be_told_matches_what_restricts_and_nothing_that_allows() {
    let policy = parse(TEXT);
    let nothing = Facts::default();
    for arguments in [
        json!({}),
        json!({"path": 7}),
        json!({"path": null}),
        json!({"paths": ["/srv/work/a"]}),
    ] {
        assert_eq!(
            called(&policy, "fs.read_file", &arguments),
            Verdict::Deny,
            "{arguments}"
        );
        assert_eq!(called(&policy, "db.query", &arguments), Verdict::Ask, "{arguments}");
    }
    assert_eq!(judged(&policy, Some("fs.read_file"), &nothing).0, Verdict::Deny);
    assert_eq!(judged(&policy, Some("search"), &nothing).0, Verdict::Allow);
    assert_eq!(judged(&policy, None, &nothing).0, Verdict::Deny);
    // What is larger than conditions take is not known.
    let large = json!({"path": "/srv/work/a", "more": vec![0; 1024]});
    assert_eq!(called(&policy, "fs.read_file", &large), Verdict::Deny);
    let lenient = parse("policy: p\nversion: 1\ntool: {default: allow, deny: [{name: x, when: 'args.a == 1'}]}\n");
    assert_eq!(called(&lenient, "x", &json!({"a": 2})), Verdict::Allow);
    assert_eq!(called(&lenient, "x", &json!({"a": 1.0})), Verdict::Deny);
    assert_eq!(called(&lenient, "x", &json!({"b": 1})), Verdict::Deny);
    assert_eq!(
        judged(&lenient, None, &nothing),
        (Verdict::Deny, "x when args.a == 1".to_owned())
    );
    let open = parse("policy: p\nversion: 1\ntool: {default: allow}\n");
    assert_eq!(judged(&open, None, &nothing).0, Verdict::Allow);
}

#[test]
fn case_counts_where_it_allows() {
    let policy = parse("policy: p\nversion: 1\ntool: {default: allow, deny: [\"delete_*\"]}\n");
    assert_eq!(called(&policy, "Delete_all", &json!({})), Verdict::Deny);
    let policy = parse("policy: p\nversion: 1\ntool: {allow: [\"read_*\"]}\n");
    assert_eq!(called(&policy, "Read_all", &json!({})), Verdict::Deny);
    assert_eq!(called(&policy, "read_all", &json!({})), Verdict::Allow);
}

#[test]
fn conditions_see_the_request_and_the_time() {
    let policy = parse(
        r#"policy: p
version: 1
tool:
  allow:
    - {name: "*", when: 'http.host == "mcp.example" && time.hour >= 8 && time.weekday != "sun" && tool.name.size() < 9'}
"#,
    );
    let at = |time: &str| {
        Facts::default()
            .tool("deploy")
            .http("POST", Some("mcp.example"), "/mcp")
            .time(time.parse::<jiff::Timestamp>().unwrap().into())
    };
    assert_eq!(
        judged(&policy, Some("deploy"), &at("2026-11-23T08:00:00Z")).0,
        Verdict::Allow
    );
    assert_eq!(
        judged(&policy, Some("deploy"), &at("2026-11-23T07:59:59Z")).0,
        Verdict::Deny
    );
    assert_eq!(
        judged(&policy, Some("deploy"), &at("2026-11-22T12:00:00Z")).0,
        Verdict::Deny
    );
    let elsewhere = at("2026-11-23T08:00:00Z").http("POST", None, "/mcp");
    assert_eq!(judged(&policy, Some("deploy"), &elsewhere).0, Verdict::Deny);
}

#[test]
fn errors_and_logic_are_as_the_language_has_them() {
    // CEL: `||` and `&&` absorb an error of one side where the other decides.
    let holds = |condition: &str, arguments: &Value| {
        let policy = parse(&format!(
            "policy: p\nversion: 1\ntool: {{allow: [{{name: x, when: '{condition}'}}]}}\n"
        ));
        called(&policy, "x", arguments) == Verdict::Allow
    };
    let arguments = json!({"a": 1, "list": [1, 2, 3], "nested": {"b": "c"}, "big": 18_446_744_073_709_551_615_u64});
    for condition in [
        "args.missing == 1 || args.a == 1",
        "args.a == 1 || args.missing == 1",
        "!(args.missing == 1 && args.a == 2)",
        "has(args.a) && !has(args.missing)",
        "args.list.exists(n, n == 3) && args.list.all(n, n < 4)",
        "args.list.map(n, n * 2).exists(n, n == 6)",
        "args.nested.b == \"c\" && args[\"nested\"][\"b\"] == \"c\"",
        "args.a in [1, 2] && size(args.list) == 3",
        "args.a == 1.0 && args.a < 1.5",
        "args.big > 0u",
        "\"a\" in args",
        "args.nested.b.matches(\"^[a-c]$\")",
    ] {
        assert!(holds(condition, &arguments), "{condition}");
    }
    for condition in [
        "args.missing == 1",
        "args.missing == 1 || args.a == 2",
        "args.a == \"1\"",
        "args.list[7] == 1",
        "args.a / 0 == 1",
        "args.nested.b.matches(\"(\")",
        "args.a",
    ] {
        assert!(!holds(condition, &arguments), "{condition}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (tool, code) in [
        ("{allow: [{name: x, when: 'args.a =='}]}", Code::Condition),
        ("{allow: [{name: x, when: 'arg.a == 1'}]}", Code::Condition),
        ("{allow: [{name: x, when: 'http.header == 1'}]}", Code::Condition),
        ("{allow: [{name: x, when: 'args.a.mathces(\"x\")'}]}", Code::Condition),
        ("{allow: [{name: x, when: ''}]}", Code::Condition),
        ("{allow: [{name: x, when: 'Message{a: 1} == 1'}]}", Code::Condition),
        (
            "{allow: [{name: x, when: 'args.a.all(b, b.all(c, c.all(d, d == 1)))'}]}",
            Code::Condition,
        ),
        ("{allow: [{name: x, wen: 'args.a == 1'}]}", Code::UnknownKey),
        ("{allow: [{when: 'args.a == 1'}]}", Code::Missing),
        ("{allow: [{name: x, risk: grave}]}", Code::Value),
        ("{allow: [\"two words\"]}", Code::Value),
        ("{allow: [\"\"]}", Code::Value),
        ("{alow: [x]}", Code::UnknownKey),
        ("{redact: [x]}", Code::NotYet),
    ] {
        assert_eq!(errors(tool), [code], "{tool}");
    }
    let nested = |open: &str, close: &str, times: usize| {
        let condition = format!("{}args.a{} == 1", open.repeat(times), close.repeat(times));
        format!("{{allow: [{{name: x, when: '{condition}'}}]}}")
    };
    for (open, close, times) in [
        ("[", "]", 60),
        ("size(", ")", 60),
        ("1 + ", "", 60),
        ("1 + ", "", 1000),
        ("[", "]", 900),
        ("true ? 1 : ", "", 100),
        ("(", "", 900),
    ] {
        let codes = errors(&nested(open, close, times));
        assert_eq!(codes, [Code::Condition], "{open} {times}");
    }
    let policy = parse(&format!("policy: p\nversion: 1\ntool: {}\n", nested("(", ")", 900)));
    assert_eq!(called(&policy, "x", &json!({"a": 1})), Verdict::Allow);
    let failed = TEXT.replace("deny high", "deny low").replace("ask critical", "ask");
    let failed = parse_policy(&failed, "p.yaml", &Environment::default()).unwrap_err();
    assert!(
        failed
            .to_string()
            .contains("expected the risk low, but the rule says high"),
        "{failed}"
    );
    for line in ["tool x {", "tool x [1]", "tool x {} -> ask grave"] {
        let text = format!("policy: p\nversion: 1\ntool: {{}}\nexpect: ['{line} -> deny']\n");
        let errors = parse_policy(&text, "p.yaml", &Environment::default()).unwrap_err();
        assert_eq!(
            errors.items.first().map(|item| item.code),
            Some(Code::ExpectSyntax),
            "{line}"
        );
    }
}

#[test]
fn it_is_printed_as_it_is_read() {
    let policy = parse(TEXT);
    assert_eq!(parse(&policy.to_yaml()), policy, "{}", policy.to_yaml());
    let critical = policy
        .rules()
        .iter()
        .find(|rule| rule.risk == Some(Risk::Critical))
        .unwrap();
    assert_eq!(policy.risk(critical.id), Some(Risk::Critical));
    let action = parse_action(
        "tool fs.read_file {\"path\": \"/etc/shadow\"}",
        &policy,
        &Environment::default(),
    )
    .unwrap();
    let explained = policy.explain(&action).to_string();
    assert!(
        explained.contains("`fs.* when !args.path.startsWith(\"/srv/work/\")` in tool.deny (line 10)"),
        "{explained}"
    );
    assert_eq!(
        policy.lower(&Limits::default()).unwrap().evaluate(&action),
        policy.evaluate(&action)
    );
    let absent = parse("policy: p\nversion: 1\n");
    assert_eq!(absent.tool(Some("x"), &Facts::default()), Decision::NONE);
    assert_eq!(absent.evaluate(&action).verdict, Verdict::Ungoverned);
}

#[test]
fn an_evaluation_takes_no_longer_than_its_bounds_let_it() {
    let policy = parse(
        "policy: p\nversion: 1\ntool: {default: allow, deny: [{name: x, when: 'args.a.all(b, args.a.all(c, b != c + \"z\" || true))'}]}\n",
    );
    let items: Vec<String> = (0..1000).map(|number| format!("{number:060}")).collect();
    let begun = std::time::Instant::now();
    called(&policy, "x", &json!({"a": items}));
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn any_rule_may_say_how_grave_it_is_and_from_where_on_two_people_are_asked() {
    let text = "policy: p\nversion: 1\nexec:\n  ask: [{name: git push ..., risk: high}, npm publish]\nask: {second_person: high}\nexpect:\n  - exec git push -> ask high\n  - exec npm publish -> ask\n";
    let policy = parse(text);
    assert_eq!(policy.asking().second_person, Some(Risk::High));
    assert_eq!(parse(&policy.to_yaml()), policy, "{}", policy.to_yaml());
    let told = |text: &str| -> Vec<String> { parse(text).warnings().iter().map(ToString::to_string).collect() };
    assert!(!told(text).concat().contains("second_person"));
    let idle = told(&text.replace("second_person: high", "second_person: critical"));
    assert!(
        idle.concat().contains("`second_person: critical` is about no rule"),
        "{idle:?}"
    );
}
