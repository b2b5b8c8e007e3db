//! Rules at work, from a log on the disk to a receiver behind TLS.

mod gateway;
mod receiver;
mod speed;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aa_audit::webhook::{message, sign};
use aa_audit::{AuditLog, Options};
use aa_wire::alerts::AlertRow;
use aa_wire::event::{Effect, Kind, Object};
use aa_wire::{EscapedBytes, Event, Timestamp};
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use crate::board::Board;
use crate::link;
use crate::route::{self, Outgoing, Pace, Route};
use crate::settings::{Flags, Settings};
use receiver::Receiver;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDcuu1bIbWbyA=";

fn eventually(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A log, and a place for all that a courier keeps.
struct Scene {
    folder: TempDir,
    log: AuditLog,
    board: Arc<Board>,
}

impl Scene {
    fn new() -> Self {
        Self::with_segments(aa_audit::SEGMENT_BYTES)
    }

    fn with_segments(segment_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["keys", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let options = Options {
            segment_bytes,
            ..Options::new(folder.path().join("keys"))
        };
        let log = AuditLog::open(&folder.path().join("log"), &options).unwrap().0;
        Self {
            folder,
            log,
            board: Arc::default(),
        }
    }

    fn secret(&self, name: &str, value: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, value).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn settings(&self, rule: &str) -> Settings {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let flags = Flags::parse_from([
            "aa-courier",
            "--state-dir",
            &path("state"),
            "--audit-dir",
            &path("log"),
            "--socket",
            &path("none.sock"),
        ]);
        let text = format!("[[alerts]]\nname = \"soc\"\n{rule}\n");
        Settings::parse(flags, &text, "config.toml".into()).unwrap()
    }

    fn route(&self, rule: &str) -> Route {
        let Settings { paths, mut rules } = self.settings(rule);
        let pace = Pace {
            attempts: 3,
            wait: |_| Duration::from_millis(10),
        };
        let rule = Arc::new(rules.remove(0));
        Route::open(
            rule,
            Arc::new(paths),
            Arc::clone(&self.board),
            Outgoing::new().unwrap(),
            pace,
        )
        .unwrap()
    }

    fn append(&self, effect: Effect, detail: &str) -> u64 {
        let mut event = Event::bare(Timestamp::now(), Kind::Decision, effect, "exec");
        event.detail = Some(detail.to_owned());
        self.log.append(&event).unwrap().0
    }

    fn row(&self) -> AlertRow {
        self.board.rows().remove(0)
    }
}

fn webhook(receiver: &Receiver, secrets: &[PathBuf]) -> String {
    let secrets: Vec<String> = secrets
        .iter()
        .map(|path| format!("\"file:{}\"", path.display()))
        .collect();
    format!(
        "to = \"webhook\"\nurl = \"https://127.0.0.1:{}/hook\"\nca = \"{}\"\nsecrets = [{}]",
        receiver.port,
        receiver.ca().display(),
        secrets.join(", ")
    )
}

fn other(kind: &str, scheme: &str, receiver: &Receiver) -> String {
    format!(
        "to = \"{kind}\"\nurl = \"{scheme}://127.0.0.1:{}/x\"\nca = \"{}\"",
        receiver.port,
        receiver.ca().display()
    )
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    request
        .lines()
        .find_map(line)
        .unwrap_or_else(|| panic!("no {name} in {request}"))
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// As a receiver checks it.
fn is_signed_by(request: &str, secret: &str) -> bool {
    let text = request.split_once("\r\n\r\n").unwrap().1;
    let signed = message(
        header(request, "webhook-id"),
        header(request, "webhook-timestamp").parse().unwrap(),
        text,
    );
    let wanted = sign(secret.as_bytes(), &signed).unwrap();
    header(request, "webhook-signature").split(' ').any(|one| one == wanted)
}

#[test]
fn a_webhook_gets_what_the_rule_is_about_once_and_signed() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let secret = scene.secret("a", OLD);
    scene.append(Effect::Denied, "before there was a rule");
    let mut route = scene.route(&(webhook(&receiver, &[secret]) + "\neffect = [\"denied\"]"));
    scene.append(Effect::Allowed, "not asked for");
    let number = scene.append(Effect::Denied, "sudo");
    while route.round().unwrap() {}
    let got = receiver.got();
    assert_eq!(got.len(), 1, "{got:?}");
    assert!(is_signed_by(&got[0], OLD) && !is_signed_by(&got[0], NEW));
    let sent = body(&got[0]);
    assert_eq!(
        (&sent["type"], &sent["data"]["id"], &sent["data"]["detail"]),
        (&"aa.decision.denied".into(), &number.into(), &"sudo".into())
    );
    let stamp: u64 = header(&got[0], "webhook-timestamp").parse().unwrap();
    assert!(
        stamp.abs_diff(Timestamp::now().unix_ns / 1_000_000_000) < 60,
        "a receiver has a window"
    );
    assert_eq!((scene.row().delivered, scene.row().after), (1, number));
}

#[test]
fn while_a_secret_is_replaced_both_sign_and_then_the_new_one_alone() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let (old, new) = (scene.secret("old", OLD), scene.secret("new", NEW));
    let both = webhook(&receiver, &[new, old.clone()]);
    let mut route = scene.route(&both);
    scene.append(Effect::Denied, "x");
    route.round().unwrap();
    // What a file holds counts from now on, without a restart.
    scene.secret("old", NEW);
    scene.append(Effect::Denied, "y");
    route.round().unwrap();
    let got = receiver.got();
    assert!(is_signed_by(&got[0], OLD) && is_signed_by(&got[0], NEW));
    assert!(!is_signed_by(&got[1], OLD) && is_signed_by(&got[1], NEW));
}

#[test]
fn what_is_not_taken_is_sent_again_under_the_same_id_until_it_is() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let secret = scene.secret("a", OLD);
    let mut route = scene.route(&webhook(&receiver, &[secret]));
    receiver.answer(&[
        "503 Busy\r\nContent-Length: 0\r\n\r\n",
        "429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        "401 No\r\n\r\n",
    ]);
    scene.append(Effect::Denied, "x");
    let begun = Instant::now();
    route.round().unwrap();
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it asked to be left alone for a second"
    );
    let got = receiver.got();
    let ids: Vec<_> = got.iter().map(|request| header(request, "webhook-id")).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(got.iter().all(|request| is_signed_by(request, OLD)));
    assert_eq!(
        (scene.row().delivered, scene.row().dead, scene.row().failing),
        (1, 0, None)
    );
}

#[test]
fn what_is_refused_or_breaks_the_receiver_is_a_dead_letter_and_the_next_goes_out() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let secret = scene.secret("a", OLD);
    let rule = webhook(&receiver, &[secret]);
    let mut route = scene.route(&rule);
    let failed = "500 Broken\r\n\r\n";
    receiver.answer(&["422 No\r\n\r\n", failed, failed, failed]);
    let refused = scene.append(Effect::Denied, "refused");
    let breaks = scene.append(Effect::Denied, "breaks it");
    scene.append(Effect::Denied, "fine");
    while route.round().unwrap() {}
    assert_eq!(receiver.got().len(), 5);
    let row = scene.row();
    assert_eq!((row.delivered, row.dead), (1, 2));
    let letters: Vec<_> = row
        .letters
        .iter()
        .map(|letter| (letter.record, letter.attempts, letter.why.as_str()))
        .collect();
    assert_eq!(
        letters,
        [(refused, 1, "it answered 422"), (breaks, 3, "it answered 500")]
    );
    drop(route);
    scene.route(&rule);
    assert_eq!(scene.row().letters.len(), 2, "a restart forgets none");
}

#[test]
fn a_receiver_that_is_away_delays_and_loses_nothing_over_a_restart_and_the_log_does_not_wait() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let secret = scene.secret("a", OLD);
    let rule = webhook(&receiver, &[secret]);
    let away = rule.replace(&receiver.port.to_string(), "1");
    let route = scene.route(&away);
    let worker = std::thread::spawn(move || route.run());
    let begun = Instant::now();
    let wanted: Vec<u64> = (0..200)
        .map(|number| scene.append(Effect::Denied, &number.to_string()))
        .collect();
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "an append waits for its disk and nobody else"
    );
    eventually("it says that nothing goes out", || {
        scene.row().failing.is_some_and(|failing| failing.attempts > 3)
    });
    assert!(scene.row().failing.unwrap().why.contains("refused"));
    assert!(!worker.is_finished());
    // The other goes on where that one is: it has written down that it sent nothing. It is left behind at its closed port.
    let mut route = scene.route(&rule);
    while route.round().unwrap() {}
    let got: Vec<u64> = receiver
        .got()
        .iter()
        .map(|request| body(request)["data"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(got, wanted);
}

#[test]
fn a_receiver_whose_certificate_is_not_trusted_gets_nothing() {
    let (scene, receiver, other) = (Scene::new(), Receiver::start(), Receiver::start());
    let secret = scene.secret("a", OLD);
    let rule =
        webhook(&receiver, &[secret]).replace(&receiver.ca().display().to_string(), &other.ca().display().to_string());
    let Settings { paths, rules } = scene.settings(&rule);
    let why = route::test(&rules[0], &paths).unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    assert_eq!(receiver.got(), Vec::<String>::new());
}

#[test]
fn a_test_is_one_message_that_says_so() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let Settings { paths, rules } = scene.settings(&other("slack", "https", &receiver));
    route::test(&rules[0], &paths).unwrap();
    let text = body(&receiver.wait_for(1)[0])["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains("alert-test") && text.contains("a test of the alert soc"),
        "{text}"
    );
    receiver.answer(&["404 Gone\r\n\r\n"]);
    assert_eq!(route::test(&rules[0], &paths).unwrap_err(), "it answered 404");
}

#[test]
fn slack_gets_what_waits_in_one_message() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let mut route = scene.route(&other("slack", "https", &receiver));
    for number in 0..4 {
        scene.append(Effect::Killed, &format!("no {number}"));
    }
    route.round().unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    assert_eq!(body(&got[0])["text"].as_str().unwrap().lines().count(), 5);
}

#[test]
fn syslog_gets_frames_whose_lengths_are_right() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let mut route = scene.route(&(other("syslog", "tls", &receiver) + "\ndata_id = \"aa@32473\""));
    for number in 0..3 {
        scene.append(Effect::Denied, &format!("é {number}"));
    }
    route.round().unwrap();
    let got = receiver.wait_for(1).remove(0);
    let (mut rest, mut frames) = (got.as_str(), Vec::new());
    while let Some((length, behind)) = rest.split_once(' ') {
        let (frame, behind) = behind.split_at(length.parse().unwrap());
        frames.push(frame);
        rest = behind;
    }
    assert_eq!((frames.len(), rest), (3, ""));
    for (number, frame) in frames.iter().enumerate() {
        let (head, json) = frame.split_once('\u{feff}').unwrap();
        assert!(
            head.starts_with("<108>1 20") && head.contains("[aa@32473 id="),
            "{head}"
        );
        let event: Event = serde_json::from_str(json).unwrap();
        assert_eq!(event.detail.unwrap(), format!("é {number}"));
    }
    assert_eq!(scene.row().delivered, 3);
}

#[test]
fn otlp_gets_a_batch_with_its_key_and_says_what_it_did_not_take() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let key = scene.secret("key", "Bearer s3cret\n");
    let mut route =
        scene.route(&(other("otlp", "https", &receiver) + &format!("\nauthorization_file = \"{}\"", key.display())));
    receiver.answer(&["200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2d\r\n{\"partialSuccess\":{\"rejectedLogRecords\":\"1\"}}\r\n0\r\n\r\n"]);
    for _ in 0..5 {
        scene.append(Effect::Denied, "x");
    }
    route.round().unwrap();
    let got = receiver.got();
    assert_eq!((got.len(), header(&got[0], "authorization")), (1, "Bearer s3cret"));
    let sent = body(&got[0]);
    let records = sent
        .pointer("/resourceLogs/0/scopeLogs/0/logRecords")
        .unwrap()
        .as_array()
        .unwrap();
    assert_eq!(
        (records.len(), records[0]["eventName"].as_str()),
        (5, Some("aa.decision"))
    );
    assert_eq!((scene.row().delivered, scene.row().dead), (4, 1));
    assert!(!format!("{:?}", scene.row()).contains("s3cret"));
}

#[test]
fn a_batch_that_is_refused_is_sent_one_by_one() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let mut route = scene.route(&other("otlp", "https", &receiver));
    receiver.answer(&["400 Bad\r\n\r\n", "200 OK\r\n\r\n", "400 Bad\r\n\r\n"]);
    let numbers: Vec<u64> = (0..3).map(|_| scene.append(Effect::Denied, "x")).collect();
    route.round().unwrap();
    let row = scene.row();
    assert_eq!((row.delivered, row.dead, row.letters[0].record), (2, 1, numbers[1]));
}

#[test]
fn segments_that_are_gone_are_counted_as_lost() {
    let (scene, receiver) = (Scene::with_segments(900), Receiver::start());
    let mut route = scene.route(&other("otlp", "https", &receiver));
    for number in 0..30 {
        scene.append(Effect::Denied, &number.to_string());
    }
    fs::remove_file(scene.folder.path().join("log/audit-00000000000000000001.log")).unwrap();
    while route.round().unwrap() {}
    let row = scene.row();
    assert!(row.lost > 0, "{row:?}");
    assert_eq!(row.delivered + row.lost, 30);
}

#[test]
fn the_gateway_hears_every_second_has_a_rule_tested_and_signs_what_it_keeps_the_secret_of() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let rule = webhook(&receiver, &[]).replace("secrets = []", "secrets = [\"vault:SOC\"]");
    let mut route = scene.route(&rule);
    let heard = gateway::start(&scene.folder.path().join("none.sock"), OLD);
    let Settings { paths, rules } = scene.settings(&rule);
    let board = Arc::clone(&scene.board);
    std::thread::spawn(move || {
        link::keep(
            &Arc::new(paths),
            &rules.into_iter().map(Arc::new).collect::<Vec<_>>(),
            &board,
        );
    });
    eventually("the test is over", || {
        heard
            .lock()
            .unwrap()
            .reports
            .iter()
            .any(|report| !report.tested.is_empty())
    });
    let tested: Vec<_> = heard
        .lock()
        .unwrap()
        .reports
        .iter()
        .flat_map(|report| report.tested.clone())
        .collect();
    assert_eq!(
        (tested.len(), tested[0].ticket, tested[0].failed.as_deref()),
        (1, 7, None)
    );
    scene.append(Effect::Denied, "x");
    route.round().unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|request| is_signed_by(request, OLD)), "{got:?}");
    eventually("it hears that one was received", || {
        heard.lock().unwrap().reports.last().unwrap().rules[0].delivered == 1
    });
    assert_eq!(heard.lock().unwrap().signed.len(), 2);
}

#[test]
fn what_the_gateway_does_not_sign_does_not_go_out_unsigned() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let rule = webhook(&receiver, &[]).replace("secrets = []", "secrets = [\"vault:OTHER\"]");
    let Settings { paths, rules } = scene.settings(&rule);
    let why = route::test(&rules[0], &paths).unwrap_err();
    assert!(why.starts_with("the gateway does not sign with `OTHER`"), "{why}");
    gateway::start(&paths.socket, OLD);
    assert!(route::test(&rules[0], &paths).unwrap_err().contains("there is none"));
    assert_eq!(receiver.got(), Vec::<String>::new());
}

/// Two halves, so that the whole stands nowhere in this program.
fn planted(number: usize) -> String {
    format!(
        "ghp_{}{number:04}",
        "x9Qm4Lw2Rt7Yp3Kd8Vn5Bc6Zf1Hj0Sg".repeat(2).get(..32).unwrap()
    )
}

#[test]
fn a_thousand_planted_secrets_are_in_no_byte_that_leaves_nor_in_what_is_kept() {
    let (scene, receiver) = (Scene::new(), Receiver::start());
    let secret = scene.secret("a", OLD);
    let rules = [
        webhook(&receiver, &[secret]),
        other("slack", "https", &receiver),
        other("otlp", "https", &receiver),
        other("syslog", "tls", &receiver),
    ];
    let mut routes: Vec<Route> = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let Settings { paths, mut rules } = scene.settings(rule);
        rules[0].name = format!("rule{number}");
        let pace = Pace {
            attempts: 3,
            wait: |_| Duration::from_millis(10),
        };
        let route = Route::open(
            Arc::new(rules.remove(0)),
            Arc::new(paths),
            Arc::clone(&scene.board),
            Outgoing::new().unwrap(),
            pace,
        );
        routes.push(route.unwrap());
    }
    let mut events = Vec::new();
    for number in 0..1000 {
        let mut event = Event::bare(Timestamp::now(), Kind::Decision, Effect::Denied, "exec");
        let path = format!("/home/u/{}/x", planted(number));
        event.object = Some(Object::Path {
            path: EscapedBytes::from_bytes(path.as_bytes()),
            flags: vec![],
        });
        event.detail = Some(format!("--token {}", planted(number)));
        events.push(event);
    }
    let (sender, done) = std::sync::mpsc::channel();
    scene.log.submit(events, aa_audit::Durability::Synced, move |result| {
        sender.send(result.is_ok()).unwrap();
    });
    assert!(done.recv().unwrap());
    // Slack takes one a second: a few of its messages will do.
    for (number, route) in routes.iter_mut().enumerate() {
        let mut rounds = 0;
        while (number != 1 || rounds < 4) && route.round().unwrap() {
            rounds += 1;
        }
    }
    let sent = receiver.got().concat();
    assert!(
        sent.len() > 1_000_000 && sent.contains("[REDACTED:github-token]"),
        "{} bytes",
        sent.len()
    );
    let kept: Vec<String> = fs::read_dir(scene.folder.path().join("state"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for number in 0..1000 {
        let value = planted(number);
        assert!(!sent.contains(&value), "{number} left");
        assert!(kept.iter().all(|kept| !kept.contains(&value)));
    }
    assert!(!sent.contains("x9Qm4Lw2"), "not a part of one either");
}
