//! What programs say inside TLS is seen, every byte of it in both directions, by the daemon on this very machine: one
//! runtime after another against a local server. What is not installed is named, and not tested.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is a test"
)]

mod daemon;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use daemon::{Daemon, text, unfit};
use serde_json::Value;

/// Sent and asked for: several TLS records and several calls, and cut in the midst of both.
const SENT: u64 = 300_007;
const ASKED: u64 = 150_001;

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes");
    folder.join(name).display().to_string()
}

fn installed(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", name])
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("NOT TESTED: {name} is not installed");
    }
    found
}

/// A server, with a certificate nobody trusts.
struct Server {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(program: &str, source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate =
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost";
        let made = Command::new("sh")
            .args(["-c", certificate])
            .current_dir(&folder)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "{certificate}");
        let mut process = Command::new(program)
            .arg(script(source))
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
            port: line.trim().parse().unwrap(),
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A daemon, a policy under which everything passes, and who watches.
struct Scene {
    daemon: Daemon,
    policy: String,
    body: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let daemon = Daemon::start();
        let policy = daemon.policy("mode: observe\ndefault: allow\nnet: {}");
        let body = daemon.folder.path().join("body");
        std::fs::write(&body, "s".repeat(usize::try_from(SENT).unwrap())).unwrap();
        Self { daemon, policy, body }
    }

    fn watch(&self, command: &[&str]) -> Output {
        let mut watch = self
            .daemon
            .command(&["watch", "--json", "--policy", &self.policy, "--"]);
        // Who was called by `sudo` is nobody here, and Node's way to trust any certificate.
        watch
            .args(command)
            .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
            .env_remove("SUDO_USER");
        watch.output().unwrap()
    }

    /// The exchanges of a command, which must succeed.
    fn exchanges(&self, command: &[&str]) -> Vec<Value> {
        let output = self.watch(command);
        let told = text(&output.stderr);
        assert!(output.status.success(), "{command:?}: {told}");
        let events = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .map(|event| event["exchange"].clone())
            .filter(|exchange| !exchange.is_null())
            .collect()
    }

    /// Whether one request and its answer were seen whole.
    fn is_seen(&self, name: &str, command: &[&str]) {
        let exchanges = self.exchanges(command);
        let [exchange] = exchanges.as_slice() else {
            panic!("{name}: {exchanges:#?}")
        };
        let count = |field: &str| exchange[field].as_u64();
        assert_eq!(count("request_bytes"), Some(SENT), "{name}: {exchange:#}");
        assert_eq!(count("answer_bytes"), Some(ASKED), "{name}: {exchange:#}");
        assert_eq!(count("status"), Some(200), "{name}: {exchange:#}");
        assert_eq!(exchange["doubts"], Value::Null, "{name}: {exchange:#}");
        eprintln!("{name}: every byte seen");
    }
}

/// Who reads programs for the sensor may be made to read for ever.
/// A daemon whose programs are never read.
fn with_a_silent_prober() -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let prober = folder.path().join("prober");
    std::fs::write(&prober, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&prober, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (Daemon::start_with(&format!("prober = '{}'", prober.display())), folder)
}

/// Its successor here has other programs: those of the dead one are in a namespace that ended.
#[test]
fn an_agent_left_standing_by_a_sensor_that_died_goes_on() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let (mut daemon, _folder) = with_a_silent_prober();
    let policy = daemon.policy("mode: observe\ndefault: allow\nnet: {}");
    let mut run = daemon.command(&["run", "--policy", &policy, "--", "sleep", "2"]);
    let mut run = run.stderr(Stdio::null()).spawn().unwrap();
    let note = daemon.folder.path().join("run/standing");
    daemon.until("it stands", || {
        std::fs::read_to_string(&note).is_ok_and(|note| !note.is_empty())
    });
    daemon.die();
    let goes_on = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        run.try_wait().unwrap().is_some()
    });
    if !goes_on {
        run.kill().unwrap();
    }
    assert!(goes_on);
}

#[test]
fn a_program_that_cannot_be_read_goes_on_and_is_told_as_blind() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let (daemon, _folder) = with_a_silent_prober();
    let policy = daemon.policy("mode: observe\ndefault: allow\nnet: {}");
    let mut run = daemon.command(&["run", "--policy", &policy, "--", "sleep", "4"]);
    let begun = std::time::Instant::now();
    let mut run = run.stderr(Stdio::null()).spawn().unwrap();
    let coverage = || text(&daemon.aasm(&["status", "--tls", "--json"]).stdout);
    daemon.until("it is told", || coverage().contains("took too long"));
    assert!(run.wait().unwrap().success());
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(40),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn every_byte_that_runtimes_say_inside_tls_is_seen() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    if !installed("openssl") || !installed("python3") {
        return;
    }
    let (scene, server) = (Scene::new(), Server::start("python3", "server.py"));
    let url = server.url("v1/path");
    let (sent, asked) = (SENT.to_string(), ASKED.to_string());
    let body = format!("@{}", scene.body.display());
    let header = format!("x-answer: {ASKED}");
    scene.is_seen(
        "curl",
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
        ],
    );
    scene.is_seen(
        "python, blocking",
        &["python3", &script("blocking.py"), &url, &sent, &asked],
    );
    scene.is_seen(
        "python, asyncio",
        &["python3", &script("asynchronous.py"), &url, &sent, &asked],
    );
    if installed("wget") {
        let file = format!("--post-file={}", scene.body.display());
        let header = format!("--header={header}");
        scene.is_seen(
            "wget",
            &[
                "wget",
                "-q",
                "--no-check-certificate",
                "-O",
                "/dev/null",
                &header,
                &file,
                &url,
            ],
        );
    }
    if installed("node") {
        node_is_seen(&scene, &url);
    }
}

fn node_is_seen(scene: &Scene, url: &str) {
    let (sent, asked) = (SENT.to_string(), ASKED.to_string());
    let body = format!("@{}", scene.body.display());
    let header = format!("x-answer: {ASKED}");
    scene.is_seen("node, https", &["node", &script("https.mjs"), url, &sent, &asked]);
    scene.is_seen("node, fetch", &["node", &script("fetch.mjs"), url, &sent, &asked]);
    let server = Server::start("node", "server.mjs");
    let url = server.url("v1/path");
    scene.is_seen("node, HTTP/2", &["node", &script("h2.mjs"), &url, &sent, &asked]);
    scene.is_seen(
        "curl, HTTP/2",
        &[
            "curl",
            "-sk",
            "--http2",
            "-o",
            "/dev/null",
            "-H",
            &header,
            "--data-binary",
            &body,
            &url,
        ],
    );
}
