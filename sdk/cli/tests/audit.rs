//! `aasm audit` on a log that nobody writes, as a person runs it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aa_audit::{AuditLog, Options};
use aa_wire::event::{AgentRef, Effect, Kind, Object, PolicyRef, ProcessRef, Reason, RuleRef, Verdict};
use aa_wire::exchange::Exchange;
use aa_wire::{AgentId, CgroupId, Event, Generation, Pid, SessionId, Timestamp};

fn aasm(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_aasm");
    Command::new(binary).arg("audit").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn said(arguments: &[&str]) -> String {
    let output = aasm(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn decision(action: &str, effect: Effect, object: impl Into<Option<Object>>) -> Event {
    Event {
        verdict: Some(if effect == Effect::Allowed {
            Verdict::Allow
        } else {
            Verdict::Deny
        }),
        agent: Some(AgentRef {
            id: AgentId(3),
            name: Some("claude".to_owned()),
            session: SessionId(9),
        }),
        process: Some(ProcessRef {
            pid: Pid(100),
            tid: 101,
            parent_pid: Pid(1),
            start: Timestamp::now(),
            start_ns: 5,
            executable: "/usr/bin/python3".into(),
            uid: 1000,
            cgroup: CgroupId(7),
        }),
        object: object.into(),
        policy: Some(PolicyRef {
            name: Some("coding-agent".to_owned()),
            version: Some(2),
            digest: Some("ab12".to_owned()),
            generation: Generation(4),
        }),
        rule: (effect == Effect::Denied).then(|| RuleRef {
            id: 5,
            text: Some(format!("deny: {action}")),
            file: None,
            line: None,
            section: None,
            risk: None,
        }),
        reason: Some(Reason {
            code: "rule".to_owned(),
            text: "a rule of the policy decides this".to_owned(),
        }),
        ..Event::bare(Timestamp::now(), Kind::Decision, effect, action)
    }
}

fn path(path: &str) -> Object {
    Object::Path {
        path: path.into(),
        flags: vec!["directory".to_owned()],
    }
}

fn exchange() -> Exchange {
    Exchange {
        protocol: "h2".to_owned(),
        serves: false,
        method: "POST".into(),
        host: "api.anthropic.com".into(),
        path: "/v1/messages".into(),
        status: Some(200),
        request_bytes: 10,
        answer_bytes: 20,
        took_ms: 7,
        call: None,
        mcp: Vec::new(),
        secrets: Vec::new(),
        doubts: Vec::new(),
    }
}

/// One event of each sort that there is.
fn events() -> Vec<Event> {
    let address = Object::Address {
        address: "192.0.2.7".parse().unwrap(),
        port: 443,
        protocol: "tcp".to_owned(),
        names: vec!["api.example.com".into()],
    };
    let socket = Object::Socket {
        family: "AF_PACKET".to_owned(),
        socket_type: "SOCK_RAW".to_owned(),
        protocol: 3,
    };
    let mut renamed = decision("rename", Effect::Allowed, path("/work/a"));
    renamed.second_object = Some(path("/work/b"));
    let with_kind = |kind, event| Event { kind, ..event };
    vec![
        Event::lifecycle("start", Effect::Allowed, "a, \"test\" begins\nhere"),
        decision("exec", Effect::Denied, path("/usr/bin/sudo")),
        decision(
            "exec-argv",
            Effect::Denied,
            Some(Object::Arguments {
                arguments: "git push".into(),
            }),
        ),
        decision("open-read", Effect::Denied, path("/")),
        decision("open-write", Effect::Held, path("/work/=x")),
        renamed,
        decision("load", Effect::Allowed, path("/usr/lib/libc.so.6")),
        decision("connect", Effect::Denied, Some(address.clone())),
        decision("bind", Effect::WouldDeny, Some(address)),
        decision(
            "lookup",
            Effect::Denied,
            Some(Object::Host {
                name: "evil.example".into(),
            }),
        ),
        decision(
            "unix-connect",
            Effect::Killed,
            Some(Object::Unix {
                name: "/run/docker.sock".into(),
            }),
        ),
        decision("unix-send", Effect::Suspended, Some(Object::Unix { name: "".into() })),
        decision("socket", Effect::Denied, Some(socket)),
        decision("signal", Effect::Denied, Some(Object::Process { pid: Pid(1) })),
        decision("user-namespace", Effect::Denied, None::<Object>),
        with_kind(Kind::Life, decision("fork", Effect::Allowed, None::<Object>)),
        with_kind(Kind::Stack, decision("exec", Effect::Denied, None::<Object>)),
        with_kind(Kind::Approval, decision("exec", Effect::Allowed, path("/usr/bin/git"))),
        Event::bare(Timestamp::now(), Kind::Loss, Effect::Denied, "ring-hole"),
        Event {
            exchange: Some(Box::new(exchange())),
            ..with_kind(Kind::Exchange, decision("say", Effect::Allowed, None::<Object>))
        },
    ]
}

struct Place(tempfile::TempDir);

impl Place {
    fn filled() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let (log, _) = AuditLog::open(&place.log(), &Options::new(place.0.path())).unwrap();
        let key = log.hand_out_key("a test".to_owned()).unwrap();
        fs::write(place.at("key"), serde_json::to_string(&key).unwrap()).unwrap();
        for event in events() {
            log.append(&event).unwrap();
        }
        drop(log);
        place
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn keep(&self, name: &str, arguments: &[&str]) -> String {
        let log = self.at("log");
        let arguments = [arguments, &["--directory", &log]].concat();
        fs::write(self.at(name), said(&arguments)).unwrap();
        self.at(name)
    }
}

fn segment(log: &Path) -> PathBuf {
    log.join("audit-00000000000000000001.log")
}

#[test]
fn a_log_is_verified_by_what_was_kept_elsewhere_and_a_changed_copy_is_not() {
    let place = Place::filled();
    let checkpoint = place.keep("checkpoint", &["checkpoint"]);
    let public = place.keep("public", &["key", "--public"]);
    let (log, hmac) = (place.at("log"), place.at("key"));
    let all = [
        "verify",
        &log,
        "--checkpoint",
        &checkpoint,
        "--public-key",
        &public,
        "--hmac-key",
        &hmac,
    ];
    let intact = said(&all);
    assert!(intact.starts_with("intact: 22 records"), "{intact}");
    assert!(
        intact.contains("up to record 22") && intact.contains("21 records sealed"),
        "{intact}"
    );
    let json: serde_json::Value = serde_json::from_str(&said(&[&all[..], &["--json"]].concat())).unwrap();
    assert_eq!(
        (&json["verified"]["intact"], &json["verified"]["signed"]),
        (&true.into(), &22.into())
    );

    let whole = fs::read(segment(&place.log())).unwrap();
    let mut edited = whole.clone();
    let at = whole.windows(8).position(|bytes| bytes == b"bin/sudo").unwrap();
    edited[at] = b'B';
    for changed in [&edited[..], &whole[..whole.len() - 300]] {
        fs::write(segment(&place.log()), changed).unwrap();
        let output = aasm(&all);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("NOT intact") && text(&output).contains(" byte "));
    }
}

#[test]
fn a_record_is_shown_and_proven_without_the_log() {
    let place = Place::filled();
    let public = place.keep("public", &["key", "--public"]);
    let shown = said(&["show", "3", "--directory", &place.at("log")]);
    assert!(shown.contains("/usr/bin/sudo") && shown.contains("leaf:"), "{shown}");
    let proof = place.keep("proof", &["prove", "3"]);
    let checkpoint = place.keep("checkpoint", &["checkpoint"]);
    let growth = place.keep("growth", &["prove", "--since", &checkpoint]);
    fs::remove_dir_all(place.log()).unwrap();
    let proven = said(&["verify", "--proof", &proof, "--public-key", &public]);
    assert!(
        proven.contains("record 3 is among the 22 records") && proven.contains("/usr/bin/sudo"),
        "{proven}"
    );
    assert!(said(&["verify", "--proof", &growth, "--public-key", &public]).starts_with("proven"));
    let changed = fs::read_to_string(&proof)
        .unwrap()
        .replace("/usr/bin/sudo", "/usr/bin/true");
    fs::write(&proof, changed).unwrap();
    let output = aasm(&["verify", "--proof", &proof, "--public-key", &public]);
    assert_eq!(
        (output.status.code(), text(&output).starts_with("NOT proven")),
        (Some(1), true)
    );
    assert_eq!(aasm(&["verify", "--proof", &proof]).status.code(), Some(64));
}

#[test]
fn records_are_found_by_agent_rule_verdict_host_and_time() {
    let place = Place::filled();
    let log = place.at("log");
    let count = |arguments: &[&str]| {
        let arguments = [&["search", "--directory", &log], arguments].concat();
        said(&arguments).lines().count()
    };
    assert_eq!(count(&[]), 22);
    assert_eq!(count(&["--since", "1h"]), 22);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--agent", "claude"]), 18);
    assert_eq!(count(&["--rule", "deny: exec"]), 3);
    assert_eq!(count(&["--rule", "5", "--verdict", "denied"]), 9);
    assert_eq!(count(&["--verdict", "killed"]), 1);
    assert_eq!(count(&["--host", "example.com"]), 2);
    assert_eq!(count(&["--host", "192.0.2.7"]), 2);
    assert_eq!(count(&["--host", "xample.com"]), 0);
    assert_eq!(count(&["--host", "api.anthropic.com"]), 1);
    let output = aasm(&["search", "--directory", &place.at("nowhere")]);
    assert!(
        !output.status.success() && text(&output).contains("hint:"),
        "{}",
        text(&output)
    );
}

#[test]
fn exports_hold_every_record_in_one_line() {
    let place = Place::filled();
    let export = |format| said(&["export", "--format", format, "--directory", &place.at("log")]);
    for format in ["json", "ocsf"] {
        let lines = export(format);
        let values = lines.lines().map(serde_json::from_str::<serde_json::Value>);
        assert_eq!(values.map(Result::unwrap).count(), 22, "{format}");
    }
    assert_eq!(
        export("cef").lines().filter(|line| line.starts_with("CEF:0|")).count(),
        22
    );
    let csv = export("csv");
    assert!(csv.starts_with("id,time,kind,"), "{csv}");
    assert_eq!(csv.matches("\r\n").count(), 23);
}

/// By the schema that is published, and a validator of it from PyPI.
#[test]
#[ignore = "installs the schema from PyPI"]
fn every_sort_of_event_is_valid_ocsf() {
    let place = Place::filled();
    let at = place.0.path();
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(at.join(program))
            .args(arguments)
            .current_dir(at)
            .output()
            .unwrap();
        assert!(done.status.success(), "{program}: {}", text(&done));
    };
    run("/usr/bin/python3", &["-m", "venv", "python"]);
    run(
        "python/bin/pip",
        &["install", "-q", "ocsf-json-schema==1.2.0", "jsonschema==4.26.0"],
    );
    let file = place.keep("lines", &["export", "--format", "ocsf"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ocsf.py");
    let validate = |lines: &str| {
        let python = Command::new(at.join("python/bin/python"))
            .arg(script)
            .stdin(fs::File::open(lines).unwrap())
            .stdout(Stdio::piped())
            .output();
        python.unwrap()
    };
    let judged = validate(&file);
    assert!(judged.status.success(), "{}", text(&judged));
    for class in ["1001", "1007", "4001", "4002", "6002"] {
        assert!(text(&judged).contains(class), "{class}");
    }
    // And it would notice.
    let broken = fs::read_to_string(&file)
        .unwrap()
        .replace("\"severity_id\"", "\"severity\"");
    fs::write(&file, broken).unwrap();
    assert!(!validate(&file).status.success());
}

#[test]
fn the_end_of_a_log_is_shown_without_the_daemon() {
    let place = Place::filled();
    let log = place.at("log");
    let all = said(&["search", "--directory", &log]);
    let last: Vec<&str> = all.lines().rev().take(3).collect();
    let tail = said(&["tail", "-n", "3", "--directory", &log]);
    assert_eq!(tail.lines().rev().collect::<Vec<_>>(), last);
    assert_eq!(
        said(&["tail", "-n", "1", "--json", "--directory", &log])
            .lines()
            .count(),
        1
    );
}

#[test]
fn what_retention_removed_is_named_and_what_is_held_about_it_is_said_to_show_nothing() {
    let place = Place(tempfile::tempdir().unwrap());
    let options = Options {
        segment_bytes: 1,
        ..Options::new(place.0.path())
    };
    let append = |seconds: std::ops::Range<u64>| {
        let (log, _) = AuditLog::open(&place.log(), &options).unwrap();
        for second in seconds {
            let time = Timestamp {
                unix_ns: second * 1_000_000_000,
            };
            log.append(&Event::bare(time, Kind::Decision, Effect::Allowed, "test"))
                .unwrap();
        }
        log
    };
    drop(append(1..4));
    let kept = place.keep("kept", &["checkpoint"]);
    let log = append(10..20);
    let retired = log.retire(Timestamp { unix_ns: u64::MAX }).unwrap().unwrap();
    drop(log);
    let said = said(&["verify", &place.at("log")]);
    assert!(said.starts_with("intact:"), "{said}");
    assert!(
        said.contains(&format!("records 1 to {} were removed by retention", retired.through)),
        "{said}"
    );
    let older = aasm(&["verify", &place.at("log"), "--checkpoint", &kept]);
    assert!(older.status.success(), "{}", text(&older));
    assert!(
        text(&older).contains("4 records that are removed: it is held against nothing"),
        "{}",
        text(&older)
    );
}

#[test]
fn a_witness_elsewhere_signs_what_only_grew_and_verify_counts_on_it() {
    let place = Place::filled();
    let witness = |arguments: &[&str]| {
        let (key, state) = (place.at("witness.key"), place.at("witness.json"));
        let own = [
            "witness",
            "--key",
            &key,
            "--state",
            &state,
            "--name",
            "witness.example/w1",
        ];
        aasm(&[&own, arguments].concat())
    };
    let log_key = place.keep("log.pub", &["key", "--public"]);
    let first = place.keep("first", &["checkpoint"]);
    fs::write(place.at("witness.pub"), witness(&["--public"]).stdout).unwrap();
    let signed = witness(&["--log-key", &log_key, &first]);
    assert!(signed.status.success(), "{}", text(&signed));
    fs::write(place.at("signed"), &signed.stdout).unwrap();
    let (log, _) = AuditLog::open(&place.log(), &Options::new(place.0.path())).unwrap();
    log.append(&Event::bare(Timestamp::now(), Kind::Decision, Effect::Allowed, "test"))
        .unwrap();
    drop(log);
    let second = place.keep("second", &["checkpoint"]);
    let refused = witness(&["--log-key", &log_key, &second]);
    assert!(
        !refused.status.success() && text(&refused).contains("it takes a proof"),
        "{}",
        text(&refused)
    );
    let proof = place.keep("growth", &["prove", "--since", &first]);
    let signed = witness(&["--log-key", &log_key, &proof]);
    assert!(signed.status.success(), "{}", text(&signed));
    fs::write(place.at("signed"), &signed.stdout).unwrap();
    let verify = |checkpoint: &str| {
        let key = place.at("witness.pub");
        aasm(&[
            "verify",
            &place.at("log"),
            "--checkpoint",
            checkpoint,
            "--witness",
            &key,
        ])
    };
    let verified = verify(&place.at("signed"));
    assert!(
        verified.status.success() && text(&verified).contains("witness.example/w1 signed records 1 to"),
        "{}",
        text(&verified)
    );
    assert_eq!(verify(&second).status.code(), Some(1));
}
