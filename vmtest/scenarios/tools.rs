//! Tools that agents call over MCP inside TLS: by name and by what they are called with, denied or asked about before a byte of it is sent.

use std::fs;
use std::thread;
use std::time::Duration;

use aa_wire::Event;
use aa_wire::api::ApprovalRow;
use aa_wire::event::Effect;

use crate::guest::{Guest, eventually, file_at, succeed};
use crate::harness::{Checks, Test, tests};
use crate::holding::{all_waiting, answer, state};
use crate::plaintext::{Server, run_by};

pub(crate) const TESTS: &[Test] = tests![
    a_tool_that_a_policy_does_not_allow_is_not_called,
    a_tool_that_is_asked_about_waits_for_a_person,
];

const SOON: Duration = Duration::from_secs(30);

const TOOLS: &str = r#"policy: tools
version: 1
default: allow
net: {}
tool:
  allow: ["fs.read_*", "db.query"]
  ask: [{name: "db.query", when: 'args.sql.matches("(?i)^\\s*(delete|drop|truncate)")', risk: critical}]
  deny: [{name: "fs.*", when: '!args.path.startsWith("/srv/work/")', risk: high}, "shell.*"]
  default: deny
ask: {within: 60s, otherwise: deny}
"#;

/// What the message of a call is, a mark in it, and after it much that is no part of the call.
fn call(name: &str, arguments: &str, mark: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"{mark}","method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    )
}

/// Clients that have bytes encrypted in the call that sends them, and clients that have not.
fn clients(server: &Server, body: &str) -> [Vec<String>; 4] {
    let url = format!("https://localhost:{}/mcp", server.port);
    let data = format!("@{body}");
    let [blocking, asynchronous, fetch] =
        ["blocking.py", "asynchronous.py", "fetch.mjs"].map(|name| server.script(name));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    [
        words(&["curl", "-sSk", "--fail", "-H", "expect:", "--data-binary", &data, &url]),
        words(&["python3", &blocking, &url, body, "14"]),
        words(&["python3", &asynchronous, &url, body, "14"]),
        words(&[
            "env",
            "NODE_TLS_REJECT_UNAUTHORIZED=0",
            "node",
            &fetch,
            &url,
            body,
            "14",
        ]),
    ]
}

pub(crate) fn cited(event: &Event) -> Option<&str> {
    event.rule.as_ref()?.text.as_deref()
}

fn a_tool_that_a_policy_does_not_allow_is_not_called(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let outside = "deny: fs.* when !args.path.startsWith(\"/srv/work/\")";
    let cases = [
        ("fs.read_file", r#"{"path":"/srv/work/notes"}"#, None, "", None),
        (
            "fs.read_file",
            r#"{"path":"/etc/shadow"}"#,
            Some(outside),
            "nothing added",
            Some("high"),
        ),
        (
            "fs.read_file",
            r#"{"path":"/srv/work/a","path":"/etc/shadow"}"#,
            Some(outside),
            "nothing added",
            Some("high"),
        ),
        ("db.query", r#"{"sql":"select 1"}"#, None, "", None),
        (
            "shell.run",
            r#"{"command":"id"}"#,
            Some("deny: shell.*"),
            "nothing added",
            None,
        ),
        (
            "mail.send",
            "{}",
            Some("deny: *"),
            "tool: {allow: [\"mail.send\"]}",
            None,
        ),
    ];
    for (number, (name, arguments, rule, way, risk)) in cases.into_iter().enumerate() {
        let mark = format!("mark-{number}-");
        let body = file_at(server.script("call"), &call(name, arguments, &mark))
            .display()
            .to_string();
        // Each client is denied once, and each case tried by one.
        let all = number == 1;
        let tried = clients(&server, &body).into_iter().enumerate();
        for (_, program) in tried.filter(|(client, _)| all || *client == number % 4) {
            let program: Vec<&str> = program.iter().map(String::as_str).collect();
            drop(fs::remove_file(server.script("received")));
            let (told, well, denied) = run_by(TOOLS, &server, &program);
            checks.that(
                well == rule.is_none() && server.received(&mark) == rule.is_none(),
                || format!("{name} {arguments} by {program:?}: {told}"),
            );
            let first = denied.first();
            checks.equal(format!("{name} by {program:?}"), &first.and_then(cited), &rule);
            let Some(event) = first else { continue };
            let would = event.would_allow.as_deref().unwrap_or_default();
            checks.that(would.starts_with(way), || format!("{name}: {would}"));
            checks.equal(
                "how grave",
                &event.rule.as_ref().and_then(|rule| rule.risk.as_deref()),
                &risk,
            );
            let called = event.exchange.as_ref().and_then(|exchange| exchange.mcp.last());
            checks.equal("which", &called.map(|message| message.name.as_str()), &Some(name));
            checks.that(!told.contains("shadow"), || {
                format!("what it is called with is told: {told}")
            });
        }
    }
}

/// The ask that waits, of which there is one, and its process stopped.
pub(crate) fn asked() -> Option<ApprovalRow> {
    let mut found = None;
    eventually(SOON, || {
        found = all_waiting().pop().filter(|row| state(row.pid.0) == 'T');
        found.is_some()
    });
    found
}

fn a_tool_that_is_asked_about_waits_for_a_person(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let secret = "AKIAQ3EGRIJ2XKF7ZB5D";
    let arguments = format!(r#"{{"sql":"drop table users","key":"{secret}"}}"#);
    let recorded = || succeed("aasm", &["events", "--json", "-n", "10000"]);
    for (number, how) in ["approve", "deny"].into_iter().enumerate() {
        for (client, name) in ["curl", "blocking", "asynchronous", "fetch"].into_iter().enumerate() {
            if how == "deny" && name == "asynchronous" {
                continue;
            }
            let mark = format!("mark-{number}{client}-");
            let body = file_at(server.script("call"), &call("db.query", &arguments, &mark))
                .display()
                .to_string();
            let program = clients(&server, &body)[client].clone();
            let program: Vec<&str> = program.iter().map(String::as_str).collect();
            drop(fs::remove_file(server.script("received")));
            let (told, well, events) = thread::scope(|scope| {
                let running = scope.spawn(|| run_by(TOOLS, &server, &program));
                let row = asked();
                checks.that(row.is_some() && !server.received(&mark), || {
                    format!("{name} does not wait")
                });
                if let Some(row) = row {
                    let expected =
                        "db.query {\"key\":\"[REDACTED:aws-access-key-id]\",\"sql\":\"drop table users\"} -> ";
                    checks.that(row.object.starts_with(expected), || format!("{name}: {}", row.object));
                    checks.equal("what", &row.action.as_str(), &"call-tool");
                    checks.equal("how grave", &row.risk.as_deref(), &Some("critical"));
                    answer(&row, how);
                }
                running.join().unwrap()
            });
            let goes = how == "approve";
            checks.that(well == goes && server.received(&mark) == goes, || {
                format!("{name} after {how}: {told}")
            });
            let denied: Vec<Effect> = events.iter().map(|event| event.effect).collect();
            let expected = if goes { Vec::new() } else { vec![Effect::Denied] };
            checks.equal(format!("{name}: {told}"), &denied, &expected);
            // Another event tells of what was not sent.
            let exchanges = told.matches("\"kind\":\"exchange\"").count();
            checks.equal(format!("exchanges of {name}: {told}"), &exchanges, &usize::from(goes));
        }
    }
    let log = recorded();
    checks.that(log.contains("\"held\"") && !log.contains("drop table"), || {
        "what it is called with is recorded".to_owned()
    });
}
