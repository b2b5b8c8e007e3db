//! Names: lookups go through the resolver, which answers what the policy lists and binds it before it answers.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::Duration;

use aa_wire::event::{Effect, Event};
use aa_wire::status::Status;

use crate::act::{Act, policy_file};
use crate::crashes::processes_of;
use crate::guest::{Guest, command, eventually, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::holding::{answer, ask_of, events_of};
use crate::listeners::{Host, hosts};

pub(crate) const TESTS: &[Test] = tests![
    a_listed_name_is_reached_where_it_leads_and_nowhere_else,
    an_unlisted_name_does_not_exist_and_nobody_hears_of_it,
    a_question_goes_to_the_resolver_whichever_way_it_leaves,
    an_answer_is_for_the_agent_that_asked,
    names_that_lead_to_private_addresses_are_not_answered,
    an_ask_about_a_host_holds_the_connection,
    a_reload_keeps_what_names_lead_to,
    without_a_resolver_nothing_is_looked_up,
    from_another_network_namespace_nothing_is_looked_up,
    a_policy_that_observes_looks_everything_up,
    programs_use_names_as_ever,
];

/// The internet's, as far as rules know; on lo they are ours.
pub(crate) const GOOD: &str = "93.184.216.10";
const OTHER: &str = "93.184.216.11";
const GOOD6: &str = "2606:2800:220:1::10";
/// Where nobody answers: only a redirected question gets a reply.
const NOWHERE: &str = "93.184.216.99";
const NOWHERE6: &str = "2606:2800:220:1::99";
/// The machine's own name server.
const UPSTREAM: &str = "127.0.0.53";

/// How long a record may take to be seen.
const SOON: Duration = Duration::from_secs(10);

/// What upstream knows.
const ZONE: [(&str, &[&str]); 10] = [
    ("api.test", &[GOOD, GOOD6]),
    ("other.test", &[OTHER]),
    ("deep.wild.test", &[OTHER]),
    ("inside.test", &["127.0.0.1", "10.0.0.1", "::1"]),
    ("metadata.test", &["169.254.169.254"]),
    ("unlisted.test", &[OTHER]),
    ("shared.test", &[OTHER]),
    ("short.wild.test", &[GOOD]),
    ("flood.test", &[GOOD]),
    ("api.anthropic.com", &[GOOD]),
];

static UPSTREAM_ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The addresses, a name server for them, and resolv.conf, once.
pub(crate) fn internet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for address in [GOOD, OTHER] {
            succeed("ip", &["addr", "replace", &format!("{address}/32"), "dev", "lo"]);
        }
        succeed(
            "ip",
            &["-6", "addr", "replace", &format!("{GOOD6}/128"), "dev", "lo", "nodad"],
        );
        let server = UdpSocket::bind((UPSTREAM, 53)).unwrap();
        thread::spawn(move || serve(&server));
        fs::write(
            "/etc/resolv.conf",
            format!("nameserver {UPSTREAM}\noptions timeout:2 attempts:1\n"),
        )
        .unwrap();
        assert!(eventually(Duration::from_secs(30), is_ready), "there is no resolver");
        // It looks at resolv.conf every five seconds at most.
        thread::sleep(Duration::from_secs(6));
    });
}

fn is_ready() -> bool {
    let text = said(&command("aasm", &["status", "--json"]));
    serde_json::from_str::<Status>(&text).is_ok_and(|status| status.sensor.is_some_and(|sensor| sensor.resolver))
}

/// Answers from [`ZONE`], for a minute; NXDOMAIN for the rest.
fn serve(server: &UdpSocket) {
    let mut buffer = [0; 1024];
    while let Ok((length, from)) = server.recv_from(&mut buffer) {
        let question = &buffer[12..length];
        let mut labels = Vec::new();
        let mut at = 0;
        while question[at] != 0 {
            let end = at + 1 + usize::from(question[at]);
            labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
            at = end;
        }
        let (name, kind, end) = (labels.join("."), question[at + 2], at + 5);
        UPSTREAM_ASKED.lock().unwrap().push(name.clone());
        // A zone answers for all names below it too.
        let below = |zone: &str| {
            name.strip_suffix(zone)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let known = ZONE.iter().find(|(known, _)| below(known));
        let addresses = known.map_or(&[][..], |(_, addresses)| addresses);
        let mut records = Vec::new();
        for address in addresses.iter().map(|text| text.parse::<IpAddr>().unwrap()) {
            let data: Vec<u8> = match address {
                IpAddr::V4(address) if kind == 1 => address.octets().to_vec(),
                IpAddr::V6(address) if kind == 28 => address.octets().to_vec(),
                _ => continue,
            };
            records.push(
                [
                    &[
                        0xc0,
                        12,
                        0,
                        kind,
                        0,
                        1,
                        0,
                        0,
                        0,
                        60,
                        0,
                        u8::try_from(data.len()).unwrap(),
                    ][..],
                    &data,
                ]
                .concat(),
            );
        }
        let code = if known.is_some() { 0 } else { 3 };
        let count = u8::try_from(records.len()).unwrap();
        let header = [buffer[0], buffer[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
        let reply = [&header[..], &question[..end], &records.concat()].concat();
        drop(server.send_to(&reply, from));
    }
}

/// A host of ours on the internet, all addresses on one port.
fn servers() -> [Host; 3] {
    internet();
    hosts([GOOD, OTHER, GOOD6])
}

/// The host a listed name leads to, and another.
pub(crate) fn two_servers() -> [Host; 2] {
    internet();
    hosts([GOOD, OTHER])
}

fn lookups_of(agent: &str) -> Vec<Event> {
    let mut events = events_of(agent);
    events.retain(|event| event.action == "lookup");
    events
}

/// Has each action done and compares what came of it.
fn each(checks: &mut Checks, act: &mut Act, steps: &[(String, String)]) {
    for (line, expected) in steps {
        checks.equal(line, &act.ask(line), expected);
    }
}

/// What `ask` tells of an answer with one address.
fn answered(address: &str, from: &str) -> String {
    format!("ok 0 1 {address} from {from} 53")
}

fn denied() -> String {
    "errno EPERM".to_owned()
}

fn a_listed_name_is_reached_where_it_leads_and_nowhere_else(_: &Guest, checks: &mut Checks) {
    let [good, other, good6] = servers();
    let port = good.port;
    let ok = || "ok".to_owned();
    let mut act = Act::governed(
        "names",
        &format!("net: {{allow: ['api.test:{port}', '*.wild.test:{port}']}}\n"),
    );
    let steps = [
        (format!("connect {GOOD} {port}"), denied()),
        (format!("ask udp {NOWHERE} api.test"), answered(GOOD, NOWHERE)),
        (format!("connect {GOOD} {port}"), ok()),
        (format!("connect-udp {GOOD} {port}"), ok()),
        (format!("sendto-udp {GOOD} {port}"), ok()),
        (format!("connect-mapped {GOOD} {port}"), ok()),
        (format!("connect {GOOD} {}", port - 1), denied()),
        (format!("connect {OTHER} {port}"), denied()),
        // Its address of the other family was not asked for.
        (format!("connect {GOOD6} {port}"), denied()),
        (format!("ask udp {NOWHERE6} api.test"), answered(GOOD6, NOWHERE6)),
        (format!("connect {GOOD6} {port}"), ok()),
        (format!("ask udp {NOWHERE} deep.wild.test"), answered(OTHER, NOWHERE)),
        (format!("connect {OTHER} {port}"), ok()),
    ];
    each(checks, &mut act, &steps);
    checks.that(
        good.tcp.settled() == 2 && other.tcp.settled() == 1 && good6.tcp.settled() == 1,
        || "connections did not arrive".to_owned(),
    );
    let named = |event: &Event| {
        event
            .object
            .as_ref()
            .is_some_and(|object| object.to_string().contains(" as api.test"))
    };
    let told = eventually(SOON, || {
        let events = events_of(&act.agent);
        events
            .iter()
            .any(|event| event.effect == Effect::Denied && named(event))
    });
    checks.that(told, || "no denied connection is told with its name".to_owned());
}

fn an_unlisted_name_does_not_exist_and_nobody_hears_of_it(_: &Guest, checks: &mut Checks) {
    internet();
    let mut act = Act::governed("unlisted", "net: {allow: ['api.test', '*.wild.test']}\n");
    let none = |from: &str| format!("ok 3 0 - from {from} 53");
    UPSTREAM_ASKED.lock().unwrap().clear();
    let steps = [
        (format!("ask udp {NOWHERE} unlisted.test"), none(NOWHERE)),
        (format!("ask udp {NOWHERE} wild.test"), none(NOWHERE)),
        (format!("ask udp {NOWHERE} notapi.test"), none(NOWHERE)),
    ];
    each(checks, &mut act, &steps);
    checks.equal("what upstream heard", &UPSTREAM_ASKED.lock().unwrap().len(), &0);
    act.ask(&format!("ask udp {NOWHERE} api.test"));
    let told = eventually(SOON, || lookups_of(&act.agent).len() >= 4);
    let lookups = lookups_of(&act.agent);
    checks.that(told, || format!("not all lookups are recorded: {lookups:?}"));
    let of = |name: &str| {
        let named = |event: &&Event| event.object.as_ref().is_some_and(|object| object.to_string() == name);
        lookups.iter().find(named).cloned()
    };
    let refused = of("unlisted.test").unwrap();
    checks.equal("recorded as", &refused.effect, &Effect::Denied);
    checks.equal("because", &refused.reason.unwrap().code.as_str(), &"not-looked-up");
    let allow = "net: {allow: [\"unlisted.test:443\"]}";
    checks.equal("to allow it", &refused.would_allow.as_deref(), &Some(allow));
    checks.equal("the listed one", &of("api.test").unwrap().effect, &Effect::Allowed);
}

fn a_question_goes_to_the_resolver_whichever_way_it_leaves(_: &Guest, checks: &mut Checks) {
    let [good, ..] = servers();
    let by_stream = |address: &str| format!("ok 0 1 {address} from - 0");
    let mut act = Act::governed("ways", &format!("net: {{allow: ['api.test:{}']}}\n", good.port));
    let ask = |how: &str, server: &str, expected: String| (format!("ask {how} {server} api.test"), expected);
    let steps = [
        ask("udp", NOWHERE, answered(GOOD, NOWHERE)),
        ask("mmsg", NOWHERE, answered(GOOD, NOWHERE)),
        ask("connected", NOWHERE, answered(GOOD, NOWHERE)),
        ask("mapped", NOWHERE, answered(GOOD, &format!("::ffff:{NOWHERE}"))),
        ask("udp", UPSTREAM, answered(GOOD, UPSTREAM)),
        ask("udp", NOWHERE6, answered(GOOD6, NOWHERE6)),
        ask("connected", NOWHERE6, answered(GOOD6, NOWHERE6)),
        ask("tcp", NOWHERE, by_stream(GOOD)),
        ask("tcp", NOWHERE6, by_stream(GOOD6)),
        ask("tfo", NOWHERE, denied()),
        ask("mptcp", NOWHERE, denied()),
    ];
    each(checks, &mut act, &steps);
    // What names no hosts is not redirected: nobody answers there.
    let mut plain = Act::governed("plain", &format!("net: {{allow: ['{UPSTREAM}']}}\n"));
    each(
        checks,
        &mut plain,
        &[(format!("ask udp {UPSTREAM} unlisted.test"), answered(OTHER, UPSTREAM))],
    );
    let mut none = Act::governed("no-dns", "net: {allow: ['0.0.0.0/0'], deny: [dns]}\n");
    each(
        checks,
        &mut none,
        &[ask("udp", UPSTREAM, denied()), ask("tcp", UPSTREAM, denied())],
    );
}

fn an_answer_is_for_the_agent_that_asked(_: &Guest, checks: &mut Checks) {
    let [good, ..] = servers();
    let policy = policy_file("shared", &format!("net: {{allow: ['api.test:{}']}}\n", good.port));
    let (mut one, mut other) = (Act::under(&policy), Act::under(&policy));
    one.ask(&format!("ask udp {NOWHERE} api.test"));
    checks.equal(
        "who asked",
        &one.ask(&format!("connect {}", good.words())).as_str(),
        &"ok",
    );
    checks.equal(
        "its child",
        &one.ask(&format!("fork connect {}", good.words())).as_str(),
        &"ok",
    );
    checks.equal(
        "who did not",
        &other.ask(&format!("connect {}", good.words())).as_str(),
        &"errno EPERM",
    );
}

fn names_that_lead_to_private_addresses_are_not_answered(_: &Guest, checks: &mut Checks) {
    internet();
    let mut act = Act::governed("rebinding", "net: {allow: ['*.test']}\n");
    for name in ["inside.test", "metadata.test"] {
        let line = format!("ask udp {NOWHERE} {name}");
        checks.equal(name, &act.ask(&line), &format!("ok 0 0 - from {NOWHERE} 53"));
    }
    checks.equal(
        "the metadata service",
        &act.ask("connect-nonblock 169.254.169.254 80").as_str(),
        &"errno EPERM",
    );
    let mut local = Act::governed("rebinding-allowed", "net: {allow: ['*.test', loopback]}\n");
    checks.equal(
        "loopback where a rule names it",
        &local.ask(&format!("ask udp {NOWHERE} inside.test")).as_str(),
        &format!("ok 0 1 {} from {NOWHERE} 53", Ipv4Addr::LOCALHOST).as_str(),
    );
    checks.equal(
        "of both families",
        &local.ask(&format!("ask udp {NOWHERE6} inside.test")).as_str(),
        &format!("ok 0 1 {} from {NOWHERE6} 53", Ipv6Addr::LOCALHOST).as_str(),
    );
}

fn an_ask_about_a_host_holds_the_connection(_: &Guest, checks: &mut Checks) {
    let [good, ..] = servers();
    let mut act = Act::governed("ask-host", &format!("net: {{ask: ['api.test:{}']}}\n", good.port));
    checks.that(
        act.ask(&format!("ask udp {NOWHERE} api.test")).starts_with("ok 0 1"),
        || "what asks is not looked up".to_owned(),
    );
    act.tell(&format!("connect {}", good.words()));
    let row = ask_of(&act.agent, |_| true);
    checks.that(row.object.contains("as api.test"), || {
        format!("asked about: {}", row.object)
    });
    answer(&row, "approve");
    checks.equal("approved", &act.answer().as_str(), &"ok");
}

fn a_reload_keeps_what_names_lead_to(_: &Guest, checks: &mut Checks) {
    let [good, other, _] = servers();
    let port = good.port;
    let text =
        |version: u32, hosts: &str| format!("policy: reloaded-names\nversion: {version}\nnet: {{allow: [{hosts}]}}\n");
    let file = "/run/aa-guest-test/reloaded-names.yaml";
    fs::write(file, text(1, &format!("'api.test:{port}', 'other.test:{port}'"))).unwrap();
    succeed("aasm", &["policy", "apply", file]);
    let mut act = Act::under_applied("reloaded-names");
    act.ask(&format!("ask udp {NOWHERE} api.test"));
    act.ask(&format!("ask udp {NOWHERE} other.test"));
    checks.equal(
        "before",
        &act.ask(&format!("connect {}", other.words())).as_str(),
        &"ok",
    );
    let less = format!("'*.nothing.test', 'api.test:{port}'");
    let reloads = thread::spawn(move || {
        for version in 2..12 {
            fs::write(file, text(version, &less)).unwrap();
            succeed("aasm", &["policy", "apply", file]);
        }
    });
    let mut connections = 0;
    while !reloads.is_finished() {
        let line = format!("connect {}", good.words());
        checks.equal("at every instant", &act.ask(&line).as_str(), &"ok");
        connections += 1;
    }
    reloads.join().unwrap();
    checks.that(connections > 10, || {
        format!("only {connections} connections were tried")
    });
    checks.equal(
        "a name that is not listed any more",
        &act.ask(&format!("connect {}", other.words())).as_str(),
        &"errno EPERM",
    );
}

fn without_a_resolver_nothing_is_looked_up(_: &Guest, checks: &mut Checks) {
    let [good, ..] = servers();
    let mut act = Act::governed(
        "no-resolver",
        &format!("net: {{allow: ['api.test:{}', '{UPSTREAM}']}}\n", good.port),
    );
    act.ask(&format!("ask udp {UPSTREAM} api.test"));
    let resolvers = processes_of("aa-resolver");
    checks.equal("resolvers", &resolvers.len(), &1);
    for pid in resolvers {
        succeed("kill", &["-STOP", &pid.to_string()]);
        let hung = act.ask(&format!("ask udp {UPSTREAM} other.test"));
        checks.equal("while it hangs", &hung.as_str(), &"errno EAGAIN");
        succeed("kill", &["-KILL", &pid.to_string()]);
    }
    let gone = eventually(Duration::from_secs(10), || !is_ready());
    checks.that(gone, || "status does not tell".to_owned());
    checks.equal(
        "over UDP",
        &act.ask(&format!("ask udp {UPSTREAM} api.test")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "over TCP",
        &act.ask(&format!("ask tcp {UPSTREAM} api.test")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "what was looked up before",
        &act.ask(&format!("connect {}", good.words())).as_str(),
        &"ok",
    );
    let recorded = events_of(&act.agent).into_iter().filter_map(|event| event.reason);
    let recorded = recorded.filter(|reason| reason.code == "no-resolver").count();
    checks.equal("recorded", &recorded, &2);
    start_resolver();
    checks.that(eventually(Duration::from_secs(30), is_ready), || {
        "it does not come back".to_owned()
    });
    checks.that(
        act.ask(&format!("ask udp {UPSTREAM} api.test")).starts_with("ok 0 1"),
        || "nothing is looked up after".to_owned(),
    );
}

/// As systemd does, or by it.
pub(crate) fn start_resolver() {
    if !crate::unit::is_systemd() {
        succeed(
            "bash",
            &["-c", ". /run/aa-vmtest/lib.sh; start_like_systemd aa-resolver.service"],
        );
    }
}

fn from_another_network_namespace_nothing_is_looked_up(_: &Guest, checks: &mut Checks) {
    internet();
    let policy = policy_file("elsewhere", "net: {allow: ['api.test', '0.0.0.0/0']}\n");
    let mut act = Act::in_network_namespace(&policy);
    checks.equal(
        "connected",
        &act.ask(&format!("ask connected {UPSTREAM} api.test")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "not",
        &act.ask(&format!("ask udp {UPSTREAM} api.test")).as_str(),
        &"errno EPERM",
    );
}

fn a_policy_that_observes_looks_everything_up(_: &Guest, checks: &mut Checks) {
    let [_, other, _] = servers();
    let mut act = Act::governed("watching", "mode: observe\nnet: {allow: ['api.test']}\n");
    let line = format!("ask udp {NOWHERE} unlisted.test");
    checks.equal(
        "unlisted",
        &act.ask(&line),
        &format!("ok 0 1 {OTHER} from {NOWHERE} 53"),
    );
    checks.equal(
        "connect",
        &act.ask(&format!("connect {}", other.words())).as_str(),
        &"ok",
    );
    let told = eventually(Duration::from_secs(10), || {
        lookups_of(&act.agent)
            .iter()
            .any(|event| event.effect == Effect::WouldDeny)
    });
    checks.that(told, || "what would be denied is not told".to_owned());
}

/// glibc's resolver, in a real program: a page of a listed host is read, one of another is not.
fn programs_use_names_as_ever(_: &Guest, checks: &mut Checks) {
    internet();
    let pages = "import http.server; http.server.HTTPServer(('93.184.216.10', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()";
    let mut server = std::process::Command::new("python3")
        .args(["-c", pages])
        .current_dir("/srv")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert!(eventually(Duration::from_secs(20), || std::net::TcpStream::connect((
        GOOD, 8080
    ))
    .is_ok()));
    let policy = policy_file("curl", "net: {allow: ['api.test:8080']}\n")
        .display()
        .to_string();
    let get = |url: &str| {
        command(
            "aasm",
            &[
                "run",
                "--policy",
                &policy,
                "--",
                "curl",
                "-sS",
                "-o",
                "/dev/null",
                "--max-time",
                "20",
                url,
            ],
        )
    };
    let listed = get("http://api.test:8080/");
    checks.that(listed.status.success(), || format!("listed: {}", said(&listed)));
    let unlisted = get("http://unlisted.test:8080/");
    checks.that(said(&unlisted).contains("Could not resolve host"), || {
        format!("unlisted: {}", said(&unlisted))
    });
    drop(server.kill().and_then(|()| server.wait()));
}
