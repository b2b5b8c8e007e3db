//! What a policy lets be spent on models: calls that find no room are not sent, and no death of ours gives any back.

use std::fs;
use std::time::Duration;

use aa_wire::Event;
use aa_wire::api::BudgetRow;
use aa_wire::event::Effect;

use crate::crashes::{kill_those_alive, revive};
use crate::guest::{Guest, command, eventually, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::plaintext::{Server, run_by};

pub(crate) const TESTS: &[Test] = tests![
    a_call_that_finds_no_room_is_not_sent,
    an_agent_that_finds_no_room_stands_still,
];

/// Calls for at most so many tokens; an empty answer is 14 bytes that no provider says.
struct Client<'server> {
    server: &'server Server,
    url: String,
    policy: String,
    number: u64,
}

impl Client<'_> {
    /// Whether the call arrived, and how it was denied.
    fn call(&mut self, most_output: &str, answer: &str) -> (bool, Option<Event>) {
        self.number += 1;
        let mark = format!("mark-{}-", self.number);
        let body = format!(
            r#"{{"model":"claude-sonnet-4-5","max_tokens":{most_output},"messages":[{{"role":"user","content":"{mark}"}}]}}"#
        );
        let body = file_at(self.server.script("call"), &body).display().to_string();
        let (data, reply) = (format!("@{body}"), format!("x-reply: {answer}"));
        let program = ["curl", "-sSk", "-H", &reply, "--data-binary", &data, &self.url];
        let (_, _, mut denied) = run_by(&self.policy, self.server, &program);
        let received = fs::read(self.server.script("received")).unwrap_or_default();
        let arrived = received.windows(mark.len()).any(|window| window == mark.as_bytes());
        denied.truncate(1);
        (arrived, denied.pop())
    }
}

fn client<'server>(server: &'server Server, policy: &str) -> Client<'server> {
    Client {
        server,
        url: format!("https://localhost:{}/v1/messages", server.port),
        policy: policy.to_owned(),
        number: 0,
    }
}

/// What is spent of a limit.
fn spent(policy: &str, limit: &str) -> Option<u64> {
    let rows: Vec<BudgetRow> = serde_json::from_str(&succeed("aasm", &["budget", "--json"])).unwrap();
    let row = rows
        .into_iter()
        .find(|row| row.policy == policy && row.limit == limit)?;
    assert_eq!(row.reserved, Some(0), "nothing is under way");
    row.spent
}

const USAGE: &str = r#"{"usage":{"input_tokens":100,"output_tokens":20},"stop_reason":"end_turn"}"#;
const TOKENS: &str = "100000 tokens a day";
const BUDGET: &str = "policy: budget\nversion: 1\ndefault: allow\nnet: {}
spend: {tokens: {day: 100k}, calls: {month: 4}, session: $1, warn: [50%]}\n";

fn a_call_that_finds_no_room_is_not_sent(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let mut client = client(&server, BUDGET);
    let denial = |checks: &mut Checks, (arrived, denied): (bool, Option<Event>), rule: &str, why: &str| {
        let cited = denied.as_ref().and_then(|event| event.rule.as_ref()?.text.clone());
        checks.equal("cited", &cited.as_deref(), &Some(rule));
        let detail = denied.and_then(|event| event.detail).unwrap_or_default();
        checks.contains("why", &detail, why);
        checks.that(!arrived, || format!("arrived beyond {rule}"));
    };
    let (arrived, denied) = client.call("1000", USAGE);
    checks.that(arrived && denied.is_none(), || format!("{denied:?}"));
    checks.equal("what was told is spent", &spent("budget", TOKENS), &Some(120));
    // Whoever names no limit may take all there is.
    let unsaid = client.call("null", USAGE);
    denial(
        checks,
        unsaid,
        "deny: 100000 tokens a day",
        "since the request names no limit",
    );
    let (arrived, _) = client.call("60000", "{}");
    checks.that(arrived, || "not sent though there is room".to_owned());
    let as_reserved = spent("budget", TOKENS);
    checks.that(as_reserved.is_some_and(|spent| spent > 60_120), || {
        format!("what was not told is charged as {as_reserved:?}")
    });
    let beyond = client.call("60000", USAGE);
    denial(checks, beyond, "deny: 100000 tokens a day", "this one may take 600");
    kill_those_alive(&["aa-gateway"]);
    revive();
    checks.equal("spent after a death", &spent("budget", TOKENS), &as_reserved);
    for _ in 0..2 {
        let (arrived, denied) = client.call("10", USAGE);
        checks.that(arrived, || format!("{denied:?}"));
    }
    let fifth = client.call("10", USAGE);
    denial(checks, fifth, "deny: 4 calls a month", "4 calls spent");
    let told = succeed("aasm", &["events", "--json", "-n", "10000"]);
    let told = told.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let marks: Vec<String> = told
        .filter(|event| event.action == "budget")
        .filter_map(|event| event.detail)
        .collect();
    let tokens = format!(
        "budget has spent 50% of {TOKENS}: {} tokens",
        as_reserved.unwrap_or_default()
    );
    let expected = [
        &tokens,
        "budget has spent 50% of 4 calls a month: 2 calls",
        "budget has spent 50% of $1.00 a session: $0.900184",
    ];
    let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
    checks.equal("marks", &marks.as_slice(), &expected.as_slice());
}

const STRICT: &str = "policy: strict\nversion: 1\ndefault: allow\nnet: {}\nspend: {session: $0.001, then: suspend}\n";

fn an_agent_that_finds_no_room_stands_still(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let policy = file_at(server.script("strict.yaml"), STRICT).display().to_string();
    let body = file_at(server.script("dear"), r#"{"model":"m","max_tokens":9,"messages":[]}"#);
    let (data, work) = (format!("@{}", body.display()), server.script("."));
    let url = format!("https://localhost:{}/v1/messages", server.port);
    let run = ["run", "--policy", &policy, "--name", "spender", "--work", &work, "--"];
    // It goes on afterwards, doing nothing that could be denied.
    let lasts = "curl -sSk --data-binary \"$0\" \"$1\"; while :; do :; done";
    let call = ["sh", "-c", lasts, &data, &url];
    let mut agent = std::process::Command::new("aasm")
        .args(run)
        .args(call)
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let stands = eventually(Duration::from_secs(60), || {
        said(&command("aasm", &["agents"])).contains("suspended")
    });
    checks.that(stands, || said(&command("aasm", &["agents"])));
    let events = succeed("aasm", &["events", "--json", "--agent", "spender", "-n", "10000"]);
    let events = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let sent: Vec<Event> = events.filter(|event| event.action == "send-data").collect();
    let effects: Vec<Effect> = sent.iter().map(|event| event.effect).collect();
    // The call itself, and what the program then sends over that connection.
    let stood = !effects.is_empty() && effects.iter().all(|effect| *effect == Effect::Suspended);
    checks.that(stood, || format!("{effects:?}"));
    let cited = sent.first().and_then(|event| event.rule.as_ref()?.text.as_deref());
    checks.equal("cited", &cited, &Some("suspend: $0.001 a session"));
    succeed("aasm", &["kill", "spender"]);
    checks.that(agent.wait().is_ok_and(|status| !status.success()), || {
        "it ended well".to_owned()
    });
    let received = fs::read(server.script("received")).unwrap_or_default();
    checks.that(received.is_empty(), || "it arrived".to_owned());
}
