//! What is denied on this very machine is received elsewhere: the daemon, its vault and `aa-courier` as the users they have, by `aasm`.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod daemon;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aa_audit::webhook::{message, sign};
use daemon::{Daemon, program, text, unfit};

/// As whom the courier runs here; the gateway is `nobody`.
const USER: &str = "daemon";

/// Takes messages, until it is told to be away.
struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
    away: Arc<AtomicBool>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            got: Arc::default(),
            away: Arc::default(),
        };
        let (got, away) = (Arc::clone(&receiver.got), Arc::clone(&receiver.away));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                if away.load(Ordering::Relaxed) {
                    continue;
                }
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                while reader.read_line(&mut head).unwrap() > 2 {
                    let last = head.lines().last().unwrap();
                    length = last
                        .strip_prefix("Content-Length: ")
                        .map_or(length, |length| length.parse().unwrap());
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                got.lock().unwrap().push(head + &text(&body));
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            }
        });
        receiver
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    request.lines().find_map(line).unwrap()
}

fn is_signed(request: &str, secret: &str) -> bool {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let time = header(request, "webhook-timestamp").parse().unwrap();
    let signed = message(header(request, "webhook-id"), time, body);
    header(request, "webhook-signature") == sign(secret.as_bytes(), &signed).unwrap()
}

/// As its unit starts it: one group reads the log, the other reaches the socket.
fn as_courier(program: &std::path::Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--groups", "nogroup,root", "--"]);
    command.arg(program);
    command
}

struct Courier(Child);

impl Courier {
    fn start(daemon: &Daemon) -> Self {
        let at = daemon.folder.path();
        let state = at.join("courier");
        if !state.exists() {
            fs::create_dir(&state).unwrap();
            let user = nix::unistd::User::from_name(USER).unwrap().unwrap();
            nix::unistd::chown(&state, Some(user.uid), Some(user.gid)).unwrap();
        }
        let mut command = as_courier(&program("aa-courier"));
        command
            .arg("--config")
            .arg(at.join("config.toml"))
            .arg("--state-dir")
            .arg(state);
        command.stderr(fs::File::create(at.join("courier.log")).unwrap());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn secret(daemon: &Daemon, value: &str) {
    let arguments = ["secret", "set", "SOC", "--agent", "aa-courier", "--host", "localhost"];
    let mut set = daemon.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    assert!(set.wait().unwrap().success());
}

#[test]
fn a_denial_is_received_signed_by_the_vault_and_who_is_away_is_told_and_delays_nobody() {
    let missing = (!program("aa-courier").exists()).then(|| "aa-courier is not built".to_owned());
    if let Some(why) = unfit().or(missing) {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let value = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let receiver = Receiver::start();
    let daemon = Daemon::start_configured(
        "",
        &format!(
            "courier_user = '{USER}'\n[[alerts]]\nname = 'soc'\nto = 'webhook'\nurl = 'http://localhost:{}/hook'\n\
             secrets = ['vault:SOC']\neffect = ['denied']\n",
            receiver.port
        ),
    );
    assert!(text(&daemon.aasm(&["alerts", "list"]).stderr).contains("no-courier"));
    assert!(text(&daemon.aasm(&["status"]).stdout).contains("aa-courier does not run"));
    secret(&daemon, value);
    let courier = Courier::start(&daemon);
    daemon.until("it reports", || daemon.aasm(&["alerts", "list"]).status.success());
    assert!(!text(&daemon.aasm(&["status"]).stdout).contains("aa-courier"));

    let tested = daemon.aasm(&["alerts", "test", "soc"]);
    assert!(tested.status.success(), "{}", text(&tested.stderr));
    assert!(daemon.aasm(&["alerts", "test", "other"]).status.code() != Some(0));
    let policy = "net: {allow: [127.0.0.1]}";
    daemon.run(policy, "exec 3<>/dev/tcp/127.0.0.2/9");
    daemon.until("the denial is received", || receiver.got().len() >= 2);
    let got = receiver.got();
    assert!(got.iter().all(|request| is_signed(request, value)), "{got:?}");
    assert!(
        got[0].contains("alert-test")
            && got[1].contains("\"type\":\"aa.decision.denied\"")
            && got[1].contains("127.0.0.2")
    );

    // The value is nowhere, and its use is in the log once.
    let tail = text(
        &daemon
            .command(&["audit", "tail", "-n", "1000", "--directory"])
            .arg(daemon.folder.path().join("audit"))
            .output()
            .unwrap()
            .stdout,
    );
    assert_eq!(tail.matches("secret-use").count(), 1, "{tail}");
    assert!(tail.contains("SOC version 1 signs what aa-courier sends to localhost") && !tail.contains("MfKQ9r8G"));

    others_are_refused(&daemon);
    away_and_back(&daemon, &receiver, courier);
}

/// By its user the courier may do two things and nothing else, and nobody else may; it reads the log and no key.
fn others_are_refused(daemon: &Daemon) {
    let socket = daemon.folder.path().join("run/control.sock");
    let mut status = as_courier(&program("aasm"));
    let refused = status
        .arg("--socket")
        .arg(&socket)
        .args(["secret", "list"])
        .output()
        .unwrap();
    assert!(
        text(&refused.stderr).contains("not-permitted"),
        "{}",
        text(&refused.stderr)
    );
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"{\"v\":1,\"request\":{\"sign\":{\"secret\":\"SOC\",\"host\":\"localhost\",\"message\":\"x\"}}}\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("for the courier alone"), "{line}");
    let mode = |name: &str| {
        fs::metadata(daemon.folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (
            mode("audit"),
            mode("audit/audit-00000000000000000001.log"),
            mode("state/audit-hmac.key")
        ),
        (0o750, 0o640, 0o600)
    );
}

/// A receiver that is away: what is decided does not wait, and nothing is lost over a restart of the courier.
fn away_and_back(daemon: &Daemon, receiver: &Receiver, courier: Courier) {
    let policy = "net: {allow: [127.0.0.1]}";
    receiver.away.store(true, Ordering::Relaxed);
    daemon.run(policy, "exec 3<>/dev/tcp/127.0.0.3/9");
    daemon.until("it says so", || {
        text(&daemon.aasm(&["alerts", "list"]).stdout).contains("NOT RECEIVED")
    });
    let metrics = text(&daemon.aasm(&["status", "--metrics"]).stdout);
    assert!(
        metrics.contains("aa_alert_failing{alert=\"soc\",kind=\"webhook\"} 1"),
        "{metrics}"
    );
    drop(courier);
    receiver.away.store(false, Ordering::Relaxed);
    let _again = Courier::start(daemon);
    daemon.until("it is received after all", || receiver.got().len() >= 3);
    assert!(receiver.got().last().unwrap().contains("127.0.0.3"));
    assert!(
        !fs::read_to_string(daemon.folder.path().join("courier.log"))
            .unwrap()
            .contains("MfKQ9r8G")
    );
}

#[test]
fn a_hold_is_set_released_and_in_the_log() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let mut daemon = Daemon::start();
    assert!(text(&daemon.aasm(&["audit", "hold", "list"]).stdout).contains("no hold"));
    assert!(
        daemon
            .aasm(&["audit", "hold", "set", "case-7", "--why", "court order"])
            .status
            .success()
    );
    assert!(
        text(
            &daemon
                .aasm(&["audit", "hold", "set", "case-7", "--why", "again"])
                .stderr
        )
        .contains("hold-exists")
    );
    daemon.die();
    daemon.until("it answers", || daemon.aasm(&["agents"]).status.success());
    assert!(text(&daemon.aasm(&["audit", "hold", "list"]).stdout).contains("court order"));
    assert!(daemon.aasm(&["audit", "hold", "release", "case-7"]).status.success());
    let events = text(&daemon.aasm(&["events"]).stdout);
    assert!(
        events.contains("case-7 set by user 0: court order") && events.contains("case-7 released by user 0"),
        "{events}"
    );
    fs::write(daemon.folder.path().join("state/audit-holds.json"), "{").unwrap();
    let refused = daemon.aasm(&["audit", "hold", "list"]);
    assert!(
        text(&refused.stderr).contains("nothing is removed"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn the_log_alone_says_which_sessions_live_and_the_daemon_says_the_same() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let daemon = Daemon::start();
    let policy = daemon.policy("net: {allow: [127.0.0.1]}");
    let mut run = daemon
        .command(&["run", "--policy", &policy, "--", "sleep", "6"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    daemon.run("net: {allow: [127.0.0.1]}", "true; exec 3<>/dev/tcp/127.0.0.2/9");
    let log = daemon.folder.path().join("audit").display().to_string();
    let replay = || daemon.aasm(&["audit", "replay", "--directory", &log]);
    daemon.until("both say the same, and one lives", || {
        let output = replay();
        output.status.success() && text(&output.stdout).contains("lives")
    });
    run.wait().unwrap();
    daemon.until("and that it has ended", || {
        let output = replay();
        output.status.success() && !text(&output.stdout).contains("  lives")
    });
    let said = text(&replay().stdout);
    assert!(
        said.contains("the daemon says the same") && said.matches("native").count() >= 2,
        "{said}"
    );
}
