//! What programs say inside TLS is seen on this kernel: by its probes and its tracepoints. Which runtimes, is tested on the
//! machine itself (`daemon/sensord/tests/plaintext.rs`), whose scripts these are.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use aa_wire::Event;
use aa_wire::event::{Kind, Object};

use crate::guest::{Guest, command, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};

pub(crate) const TESTS: &[Test] = tests![what_is_said_inside_tls_is_seen_with_where_it_goes];

const SENT: u64 = 300_007;
const ASKED: u64 = 150_001;

const SCRIPTS: [(&str, &str); 4] = [
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
];

struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    fn start(guest: &Guest) -> Self {
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
            .arg("server.py")
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

    fn script(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
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
        SENT.to_string(),
        ASKED.to_string(),
    );
    let (header, body) = (format!("x-answer: {ASKED}"), format!("@{body}"));
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
