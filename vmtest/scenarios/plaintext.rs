//! What programs say inside TLS is seen on this kernel: by its probes and its tracepoints. Which runtimes, is tested on the
//! machine itself (`daemon/sensord/tests/plaintext.rs`), whose scripts these are.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use aa_wire::Event;
use aa_wire::event::{Effect, Kind, Object};

use crate::act::Act;
use crate::faults::Fault;
use crate::guest::{Expect, Guest, command, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    what_is_said_inside_tls_is_seen_with_where_it_goes,
    what_a_policy_blocks_is_not_sent_and_neighbours_are,
    what_cannot_be_judged_is_not_sent,
    a_model_that_a_policy_does_not_allow_is_not_called,
    tls_that_nobody_reads_is_not_sent_and_all_else_is,
    what_is_read_is_sent_where_tls_that_nobody_reads_is_not,
    who_maps_much_and_always_anew_delays_nobody_else,
];

const SENT: u64 = 300_007;
const ASKED: u64 = 150_001;

const SCRIPTS: [(&str, &str); 7] = [
    ("blind.py", include_str!("blind.py")),
    ("mapping.py", include_str!("mapping.py")),
    (
        "server.py",
        include_str!("../../daemon/sensord/tests/runtimes/server.py"),
    ),
    (
        "blocking.py",
        include_str!("../../daemon/sensord/tests/runtimes/blocking.py"),
    ),
    (
        "asynchronous.py",
        include_str!("../../daemon/sensord/tests/runtimes/asynchronous.py"),
    ),
    (
        "fetch.mjs",
        include_str!("../../daemon/sensord/tests/runtimes/fetch.mjs"),
    ),
    (
        "neighbours.py",
        include_str!("../../daemon/sensord/tests/runtimes/neighbours.py"),
    ),
];

const KEY: &str = "AKIAQ3EGRIJ2XKF7ZB5D";
const BLOCKS: &str = "policy: leaks\nversion: 1\ndefault: allow\nnet: {}\ndata: {block: [secret]}\n";

pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(guest: &Guest) -> Self {
        Self::start_at(guest, "127.0.0.1")
    }

    pub(crate) fn start_at(guest: &Guest, address: &str) -> Self {
        let folder = guest.tree("plaintext");
        for (name, text) in SCRIPTS {
            file_at(folder.join(name), text);
        }
        let at = folder.display();
        let key = format!("{at}/key.pem");
        let certificate = format!("{at}/cert.pem");
        succeed(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ],
        );
        let mut process = Command::new("python3")
            .args(["server.py", address])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            process,
            folder,
            port: line.trim().parse().unwrap(),
        }
    }

    pub(crate) fn script(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Whether it was sent this.
    pub(crate) fn received(&self, mark: &str) -> bool {
        let received = fs::read(self.script("received")).unwrap_or_default();
        received.windows(mark.len()).any(|window| window == mark.as_bytes())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn what_is_said_inside_tls_is_seen_with_where_it_goes(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let work = server.folder.display().to_string();
    let policy = file_at(
        server.folder.join("policy.yaml"),
        "policy: plaintext\nversion: 1\nmode: observe\ndefault: allow\nnet: {}\n",
    );
    let policy = policy.display().to_string();
    let body = server.script("body");
    fs::write(&body, "s".repeat(usize::try_from(SENT).unwrap())).unwrap();
    let (url, sent, asked) = (
        format!("https://localhost:{}/v1/path", server.port),
        body,
        ASKED.to_string(),
    );
    let (header, body) = (format!("x-answer: {ASKED}"), format!("@{sent}"));
    let trusts_all = "NODE_TLS_REJECT_UNAUTHORIZED=0";
    let (blocking, asynchronous, fetch) = (
        server.script("blocking.py"),
        server.script("asynchronous.py"),
        server.script("fetch.mjs"),
    );
    for program in [
        &[
            "curl",
            "-sk",
            "-o",
            "/dev/null",
            "-H",
            &header,
            "-H",
            "expect:",
            "--data-binary",
            &body,
            &url,
        ][..],
        &["python3", &blocking, &url, &sent, &asked],
        &["python3", &asynchronous, &url, &sent, &asked],
        &["env", trusts_all, "node", &fetch, &url, &sent, &asked],
    ] {
        let watch = [
            &["watch", "--json", "--policy", &policy, "--work", &work, "--"],
            program,
        ]
        .concat();
        let output = command("aasm", &watch);
        let told = said(&output);
        checks.that(output.status.success(), || format!("{program:?}: {told}"));
        let events = told.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
        let exchanges: Vec<Event> = events.filter(|event| event.kind == Kind::Exchange).collect();
        checks.equal(format!("exchanges of {program:?} in {told}"), &exchanges.len(), &1);
        for event in exchanges {
            let exchange = event.exchange.unwrap();
            let counted = (exchange.status, exchange.request_bytes, exchange.answer_bytes);
            checks.equal(format!("{program:?}"), &counted, &(Some(200), SENT, ASKED));
            checks.equal(format!("doubts of {program:?}"), &exchange.doubts, &Vec::new());
            let there = event.object.as_ref().map(Object::to_string);
            checks.equal("where", &there, &Some(format!("127.0.0.1:{}/tcp", server.port)));
        }
    }
}

const BLIND: &str = "policy: blind\nversion: 1\ndefault: allow\nnet: {blind: deny}\n";

/// Runs a program by a policy; what it said, whether it ended well, and what was denied.
pub(crate) fn run_by(policy: &str, server: &Server, program: &[&str]) -> (String, bool, Vec<Event>) {
    let policy = file_at(server.folder.join("policy.yaml"), policy).display().to_string();
    let work = server.folder.display().to_string();
    // What it complains of may come in the midst of an event's line.
    let errors = server.script("errors");
    let quiet = ["sh", "-c", "exec \"$@\" 2>>\"$0\"", &errors];
    let watch = [
        &["watch", "--json", "--policy", &policy, "--work", &work, "--"],
        &quiet[..],
        program,
    ]
    .concat();
    let output = command("aasm", &watch);
    let told = said(&output);
    let events = told.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let denied = events.filter(|event| event.action == "send-data").collect();
    (told, output.status.success(), denied)
}

fn what_a_policy_blocks_is_not_sent_and_neighbours_are(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let url = format!("https://localhost:{}/v1/path", server.port);
    let filler = "s".repeat(50_000);
    let leak = file_at(server.folder.join("leak"), &format!("{filler} {KEY} "))
        .display()
        .to_string();
    let clean = file_at(server.folder.join("clean"), &format!("{filler} clean-mark"))
        .display()
        .to_string();
    let scripts = ["neighbours.py", "blocking.py", "asynchronous.py", "fetch.mjs"];
    let [neighbours, blocking, asynchronous, fetch] = scripts.map(|name| server.script(name));
    let data = format!("@{leak}");
    let trusts_all = "NODE_TLS_REJECT_UNAUTHORIZED=0";
    let received = || fs::read(server.folder.join("received")).unwrap_or_default();
    let arrived = |mark: &str| received().windows(mark.len()).any(|window| window == mark.as_bytes());
    for program in [
        &["curl", "-sSk", "--fail", "-H", "expect:", "--data-binary", &data, &url][..],
        &["python3", &blocking, &url, &leak, "14"],
        &["python3", &asynchronous, &url, &leak, "14"],
        &["env", trusts_all, "node", &fetch, &url, &leak, "14"],
    ] {
        let (told, well, denied) = run_by(BLOCKS, &server, program);
        checks.that(!well && !arrived(KEY), || format!("{program:?}: {told}"));
        let first = denied.first().map(|event| event.effect.to_string());
        checks.equal(format!("{program:?}"), &first.as_deref(), &Some("denied"));
        let secrets = denied
            .first()
            .and_then(|event| event.exchange.as_ref())
            .map(|exchange| exchange.secrets.clone());
        checks.that(
            secrets.is_some_and(|found| found[0].kind == "aws-access-key-id"),
            || format!("{program:?}: {told}"),
        );
        checks.that(!told.contains(KEY), || format!("{program:?} is told with the key"));
    }
    let (told, well, denied) = run_by(BLOCKS, &server, &["python3", &neighbours, &url, &leak, &clean]);
    checks.that(well, || format!("neighbours: {told}"));
    checks.that(arrived("clean-mark") && !arrived(KEY), || format!("neighbours: {told}"));
    let reasons: Vec<_> = denied
        .iter()
        .filter_map(|event| Some(event.reason.as_ref()?.code.as_str()))
        .collect();
    let each = ["rule", "blocked-connection"];
    checks.equal("why", &reasons, &[each, each].concat());
}

const MODELS: &str = "policy: models\nversion: 1\ndefault: allow\nnet: {}\nmodel: {allow: [\"claude-*\"], deny: [\"*-preview\"], default: deny}\n";

/// A request that names its model behind most of what it says, and ends with a mark.
fn a_model_that_a_policy_does_not_allow_is_not_called(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let url = format!("https://localhost:{}/v1/chat/completions", server.port);
    let filler = "s".repeat(100_000);
    let request = |name: &str, model: &str| {
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"{filler}"}}],"model":"{model}","user":"{name}-mark"}}"#
        );
        file_at(server.folder.join(name), &body).display().to_string()
    };
    let scripts = ["blocking.py", "asynchronous.py", "fetch.mjs"];
    let [blocking, asynchronous, fetch] = scripts.map(|name| server.script(name));
    let received = || fs::read(server.folder.join("received")).unwrap_or_default();
    let arrived = |mark: &str| received().windows(mark.len()).any(|window| window == mark.as_bytes());
    for (model, rule, way) in [
        ("claude-sonnet-5", None, "nothing added"),
        (
            "claude-9-preview",
            Some("deny: *-preview"),
            "nothing added: remove `*-preview` from model",
        ),
        ("llama3", Some("deny: *"), "model: {allow: [\"llama3\"]}"),
    ] {
        let body = request(model, model);
        let (data, mark) = (format!("@{body}"), format!("{model}-mark"));
        let programs: [&[&str]; 4] = [
            &["curl", "-sSk", "--fail", "-H", "expect:", "--data-binary", &data, &url],
            &["python3", &blocking, &url, &body, "14"],
            &["python3", &asynchronous, &url, &body, "14"],
            &[
                "env",
                "NODE_TLS_REJECT_UNAUTHORIZED=0",
                "node",
                &fetch,
                &url,
                &body,
                "14",
            ],
        ];
        for program in programs {
            let (told, well, denied) = run_by(MODELS, &server, program);
            checks.that(well == rule.is_none() && arrived(&mark) == rule.is_none(), || {
                format!("{program:?}: {told}")
            });
            let first = denied.first();
            let cited = first.and_then(|event| event.rule.as_ref()?.text.as_deref());
            checks.equal(format!("{program:?}"), &cited, &rule);
            let Some(event) = first else { continue };
            let call = event.exchange.as_ref().and_then(|exchange| exchange.call.as_ref());
            checks.equal("which", &call.map(|call| call.model.as_str()), &Some(model));
            checks.equal("what would", &event.would_allow.as_deref(), &Some(way));
            drop(fs::remove_file(server.folder.join("received")));
        }
    }
    let observes = MODELS.replace("default: allow", "mode: observe\ndefault: allow");
    let (told, well, would_be) = run_by(
        &observes,
        &server,
        &["python3", &blocking, &url, &request("seen", "llama3"), "14"],
    );
    checks.that(well && arrived("seen-mark"), || told);
    let effects: Vec<Effect> = would_be.iter().map(|event| event.effect).collect();
    checks.equal("observed", &effects, &vec![Effect::WouldDeny]);
}

fn what_cannot_be_judged_is_not_sent(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let url = format!("https://localhost:{}/v1/path", server.port);
    let clean = file_at(server.folder.join("clean"), "clean-mark").display().to_string();
    let blocking = server.script("blocking.py");
    let received = || fs::read(server.folder.join("received")).unwrap_or_default();
    let post = format!("exec /usr/bin/python3 {blocking} {url} {clean} 14");
    let mut act = Act::governed("unjudged", &BLOCKS.lines().skip(2).collect::<Vec<_>>().join("\n"));
    let fault = Fault::inject("unjudged", act.number());
    let ended = act.ask(&post);
    checks.that(received().is_empty(), || format!("it arrived: {ended}"));
    drop(fault);
    act.ask(&post);
    checks.that(!received().is_empty(), || {
        "without the fault it did not arrive".to_owned()
    });
}

/// By what it looks like: no program is there whose TLS no probe reads.
fn tls_that_nobody_reads_is_not_sent_and_all_else_is(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut std::io::sink()));
        }
    });
    let script = server.script("blind.py");
    let folder = server.folder.display().to_string();
    let program = ["python3", &script, &port, &folder];
    // Memory that is not resident is made so by a program that sleeps, which only the LSM's hooks take.
    let not_resident = match guest.expect {
        Expect::FmodRet => "plain-not-resident EPERM",
        _ => "plain-not-resident sent",
    };
    let expected = [
        "handshake sent sent",
        "handshake-in-parts sent sent",
        "data sent EPERM EPERM",
        "little-by-little sent sent EPERM",
        "ended-twice sent sent EPERM",
        "with-the-handshake EPERM",
        "in-parts sent EPERM",
        "header-in-parts sent EPERM",
        "no-records-any-more sent EPERM",
        "behind-a-proxy sent sent EPERM",
        "without-a-handshake EPERM",
        "not-resident sent EPERM",
        "behind-empty-parts sent EPERM",
        "at-first-behind-empty-parts EPERM",
        "plain-and-short sent sent sent",
        "plain sent sent",
        not_resident,
        "plain-from-a-file sent",
    ];
    let (told, well, denied) = run_by(BLIND, &server, &program);
    checks.that(well, || told.clone());
    for line in expected {
        checks.that(told.lines().any(|told| told == line), || {
            format!("not `{line}`: {told}")
        });
    }
    // Before 6.5 no hook is asked of what is spliced to a socket.
    let spliced = usize::from(told.contains("\nfrom-a-file sent EPERM"));
    let connections = expected.iter().filter(|line| line.contains("EPERM")).count() + spliced;
    checks.equal("records, one for each connection", &denied.len(), &connections);
    for event in &denied {
        let rule = event.rule.as_ref().and_then(|rule| rule.section.as_deref());
        let why = event.reason.as_ref().map(|reason| reason.code.as_str());
        checks.equal("why", &(rule, why), &(Some("net.blind"), Some("blind-tls")));
        let there = event.object.as_ref().map(Object::to_string);
        checks.equal("where", &there, &Some(format!("127.0.0.1:{port}/tcp")));
    }
    let observes = BLIND.replace("default:", "mode: observe\ndefault:");
    let (told, well, would_be) = run_by(&observes, &server, &program);
    checks.that(well && !told.contains("EPERM"), || told.clone());
    checks.equal("would be denied", &would_be.len(), &connections);
    let effects = would_be.iter().filter(|event| event.effect == Effect::WouldDeny);
    checks.equal("and was not", &effects.count(), &connections);
}

fn what_is_read_is_sent_where_tls_that_nobody_reads_is_not(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let url = format!("https://localhost:{}/v1/path", server.port);
    let body = format!("{} clean-mark", "s".repeat(300_000));
    let clean = file_at(server.folder.join("clean"), &body).display().to_string();
    let scripts = ["blocking.py", "asynchronous.py", "fetch.mjs"];
    let [blocking, asynchronous, fetch] = scripts.map(|name| server.script(name));
    let data = format!("@{clean}");
    let trusts_all = "NODE_TLS_REJECT_UNAUTHORIZED=0";
    let received = || fs::read(server.folder.join("received")).unwrap_or_default().len();
    for program in [
        &["curl", "-sSk", "--fail", "-H", "expect:", "--data-binary", &data, &url][..],
        &["python3", &blocking, &url, &clean, "14"],
        &["python3", &asynchronous, &url, &clean, "14"],
        &["env", trusts_all, "node", &fetch, &url, &clean, "14"],
    ] {
        let before = received();
        let (told, well, denied) = run_by(BLIND, &server, program);
        let arrived = received() - before;
        checks.that(well && denied.is_empty() && arrived >= body.len(), || {
            format!("{program:?}: {arrived} arrived: {told}")
        });
    }
}

/// What its libraries are is found out by looking through its mappings, each time it maps what nobody has looked at.
fn who_maps_much_and_always_anew_delays_nobody_else(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let work = server.folder.display().to_string();
    let policy = file_at(
        server.folder.join("hostile.yaml"),
        "policy: hostile\nversion: 1\ndefault: allow\n",
    );
    let mut hostile = Command::new("aasm")
        .args(["run", "--policy", &policy.display().to_string(), "--work", &work, "--"])
        .args(["python3", &server.script("mapping.py"), &work])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(hostile.stdout.take().unwrap()).lines();
    let ready = lines.next().and_then(Result::ok).unwrap_or_default();
    checks.equal("it has its mappings", &ready.as_str(), &"60000");
    let url = format!("https://localhost:{}/v1/path", server.port);
    for turn in 0..5 {
        // A copy of what writes TLS, which nobody has looked at.
        let fresh = guest.tree(&format!("plaintext-{turn}"));
        fs::copy("/usr/lib/x86_64-linux-gnu/libssl.so.3", fresh.join("libssl.so.3")).unwrap();
        let library = format!("LD_LIBRARY_PATH={}", fresh.display());
        let (told, well, denied) = run_by(BLIND, &server, &["env", &library, "curl", "-sSk", "--fail", &url]);
        checks.that(well && denied.is_empty(), || format!("turn {turn}: {told}"));
    }
    let anew = lines.next().and_then(Result::ok).unwrap_or_default();
    checks.that(anew.parse().is_ok_and(|count: u64| count > 0), || {
        format!("mapped anew: {anew}")
    });
    drop(hostile.kill());
    drop(hostile.wait());
}
