//! Requests inside TLS: what may be asked for where a connection may be made, and whose key may go where. Each client makes one connection
//! for one request: where that goes must be known before its first byte is encrypted.

use std::thread;

use crate::guest::{Guest, file_at};
use crate::harness::{Checks, Test, tests};
use crate::holding::answer;
use crate::names::{GOOD, internet};
use crate::plaintext::{Server, run_by};
use crate::tools::{asked, cited};

pub(crate) const TESTS: &[Test] = tests![
    a_request_is_judged_by_what_it_asks_for,
    over_a_connection_with_conditions_nothing_goes_that_nobody_reads,
    an_agents_own_key_goes_to_its_own_provider_alone,
];

const KEY: &str = concat!(
    "sk-ant-api03-",
    "qW7eR2tY9uI4oP1aS6dF8gH3jK5lZ0xC7vB2nM4qW9eR1tY6uI3oP8aS5dF2gH7jK4lZ1xC6vB9nM3qW8eR5t-Y2uI7oPAA"
);

const PYTHON: &str = r#"
import asyncio, ssl, sys, urllib.request
method, url, key, body = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].encode()
context = ssl._create_unverified_context()

def blocking():
    request = urllib.request.Request(url, data=body, method=method, headers={"x-api-key": key})
    urllib.request.urlopen(request, context=context).read()

async def asynchronous():
    host, port = url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=host)
    path = "/" + url.split("/", 3)[3]
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nX-Api-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()

if sys.argv[5] == "blocking":
    blocking()
else:
    asyncio.run(asyncio.wait_for(asynchronous(), 20))
"#;

const NODE: &str = r#"
const [method, url, key, body] = process.argv.slice(2);
const answer = await fetch(url, { method, headers: { "x-api-key": key }, body: method === "GET" ? undefined : body });
await answer.text();
"#;

const CLIENTS: [&str; 4] = ["curl", "blocking", "asynchronous", "node"];

/// One that says this over a connection of its own.
fn client(server: &Server, name: &str, method: &str, url: &str, (key, body): (&str, &str)) -> Vec<String> {
    let python = file_at(server.script("request.py"), PYTHON).display().to_string();
    let node = file_at(server.script("request.mjs"), NODE).display().to_string();
    let header = format!("x-api-key: {key}");
    let words = match name {
        "curl" => vec!["curl", "-sSk", "--fail", "-X", method, "-H", &header, "-d", body, url],
        "node" => vec![
            "env",
            "NODE_TLS_REJECT_UNAUTHORIZED=0",
            "node",
            &node,
            method,
            url,
            key,
            body,
        ],
        how => vec!["python3", &python, method, url, key, body, how],
    };
    words.into_iter().map(str::to_owned).collect()
}

fn policy(port: u16) -> String {
    format!(
        r#"policy: requests
version: 1
default: allow
net:
  default: deny
  blind: deny
  allow:
    - {{name: "api.test:{port}", when: 'http.method == "GET"'}}
    - {{name: "api.test:{port}", when: 'http.method == "POST" && http.path.startsWith("/ours/")'}}
    - "api.anthropic.com:{port}"
  ask: [{{name: "api.test:{port}", when: 'http.method == "DELETE"', risk: high}}]
  deny: [{{name: "api.anthropic.com:{port}", when: 'http.path == "/admin"'}}]
ask: {{within: 60s, otherwise: deny}}
"#
    )
}

fn a_request_is_judged_by_what_it_asks_for(guest: &Guest, checks: &mut Checks) {
    internet();
    let server = Server::start_at(guest, GOOD);
    let port = server.port;
    let policy = policy(port);
    let admin = format!("deny: api.anthropic.com:{port} when http.path == \"/admin\"");
    let cases = [
        ("POST", "api.test", "ours/a", None),
        ("POST", "api.test", "theirs/a", Some("deny: *")),
        ("POST", "api.test", "ours/%2e%2e/theirs", Some("deny: *")),
        ("PUT", "api.test", "ours/a", Some("deny: *")),
        ("POST", "api.anthropic.com", "theirs/a", None),
        ("POST", "api.anthropic.com", "admin", Some(admin.as_str())),
    ];
    for (number, (method, host, path, rule)) in cases.into_iter().enumerate() {
        let url = format!("https://{host}:{port}/{path}");
        // Each client is denied once, and each case tried by one.
        let tried = CLIENTS.into_iter().enumerate();
        for (_, name) in tried.filter(|(client, _)| number == 1 || *client == (number + 3) % 4) {
            let mark = format!("mark-{number}-{name}-");
            let program = client(&server, name, method, &url, ("none", &mark));
            let program: Vec<&str> = program.iter().map(String::as_str).collect();
            let (told, well, denied) = run_by(&policy, &server, &program);
            checks.that(
                well == rule.is_none() && server.received(&mark) == rule.is_none(),
                || format!("{method} {url} by {name}: {told}"),
            );
            let first = denied.first();
            checks.equal(format!("{method} {url} by {name}"), &first.and_then(cited), &rule);
            let Some(event) = first else { continue };
            let would = event.would_allow.as_deref().unwrap_or_default();
            checks.that(rule != Some("deny: *") || would.contains(method), || would.to_owned());
        }
    }
    let program = client(
        &server,
        "curl",
        "DELETE",
        &format!("https://api.test:{port}/x"),
        ("none", "deletes"),
    );
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    thread::scope(|scope| {
        let running = scope.spawn(|| run_by(&policy, &server, &program));
        let row = asked();
        checks.that(row.is_some() && !server.received("deletes"), || {
            "it does not wait".to_owned()
        });
        if let Some(row) = row {
            let expected = format!("DELETE https://api.test:{port}/x -> ");
            checks.that(row.object.starts_with(&expected), || row.object.clone());
            checks.equal("how grave", &row.risk.as_deref(), &Some("high"));
            answer(&row, "approve");
        }
        let (told, well, _) = running.join().unwrap();
        checks.that(well && server.received("deletes"), || told);
    });
}

fn over_a_connection_with_conditions_nothing_goes_that_nobody_reads(guest: &Guest, checks: &mut Checks) {
    internet();
    let server = Server::start_at(guest, GOOD);
    let raw = format!(
        "import socket\nsocket.create_connection(('api.test', {})).sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')",
        server.port
    );
    let (told, well, denied) = run_by(&policy(server.port), &server, &["python3", "-c", &raw]);
    checks.that(!well && denied.len() == 1, || format!("what is no TLS is sent: {told}"));
    checks.equal("by which rule", &denied.first().and_then(cited), &Some("blind: deny"));
    // As the kernel sends it: together with the connecting.
    let fast = format!(
        "import socket\nsocket.getaddrinfo('api.test', {0})\nsocket.socket().sendto(b'GET /', socket.MSG_FASTOPEN, ('{GOOD}', {0}))",
        server.port
    );
    let (told, well, _) = run_by(&policy(server.port), &server, &["python3", "-c", &fast]);
    checks.that(!well && told.contains("\"effect\":\"denied\""), || {
        format!("it goes with the connecting: {told}")
    });
}

fn an_agents_own_key_goes_to_its_own_provider_alone(guest: &Guest, checks: &mut Checks) {
    internet();
    let server = Server::start_at(guest, GOOD);
    let port = server.port;
    let policy = format!(
        "policy: own\nversion: 1\ndefault: allow\nnet: {{default: deny, allow: [\"api.anthropic.com:{port}\", \"api.test:{port}\"]}}\ndata: {{block: [secret]}}\n"
    );
    for (host, goes) in [("api.anthropic.com", true), ("api.test", false)] {
        for name in CLIENTS.into_iter().take(if goes { 4 } else { 1 }) {
            let mark = format!("mark-{host}-{name}-");
            let program = client(
                &server,
                name,
                "POST",
                &format!("https://{host}:{port}/v1"),
                (KEY, &mark),
            );
            let program: Vec<&str> = program.iter().map(String::as_str).collect();
            // Nothing of the one before vouches for this one.
            let (told, well, denied) = run_by(&policy, &server, &program);
            checks.that(well == goes && server.received(&mark) == goes, || {
                format!("{host} by {name}: {told}")
            });
            checks.equal(format!("{host} by {name}"), &denied.is_empty(), &goes);
        }
    }
}
