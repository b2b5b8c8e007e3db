//! A log is made, and replayed under policies that say something else.

use std::io::ErrorKind;

use aa_audit::{AuditLog, Durability, Options};
use aa_policy::parse_policy;
use aa_wire::event::{AgentRef, Effect, Object, PolicyRef, Reason, Verdict};
use aa_wire::{AgentId, EscapedBytes, Generation, SessionId};
use tempfile::TempDir;

use super::tally::Change;
use super::*;
use crate::cli::AUDIT_DIRECTORY;

const ALLOW: Verdict = Verdict::Allow;
const DENY: Verdict = Verdict::Deny;

fn agent(name: &str) -> AgentRef {
    AgentRef {
        id: AgentId(1),
        name: Some(name.to_owned()),
        session: SessionId(1),
    }
}

fn reason(code: &str) -> Reason {
    Reason {
        code: code.to_owned(),
        text: format!("because of {code}"),
    }
}

fn file(path: &str, flags: &[&str]) -> Object {
    Object::Path {
        path: EscapedBytes::from_bytes(path.as_bytes()),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    }
}

fn address(text: &str, protocol: &str, names: &[&str]) -> Object {
    let socket: std::net::SocketAddr = text.parse().unwrap();
    Object::Address {
        address: socket.ip(),
        port: socket.port(),
        protocol: protocol.to_owned(),
        names: names.iter().map(|name| EscapedBytes::from(*name)).collect(),
    }
}

/// A decision about an agent, five seconds after 1970 began.
fn event(action: &str, object: Object, verdict: Verdict) -> Event {
    let effect = match verdict {
        Verdict::Ungoverned | Verdict::Allow => Effect::Allowed,
        Verdict::Ask => Effect::Held,
        Verdict::Deny | Verdict::Suspend | Verdict::Kill => Effect::Denied,
    };
    Event {
        verdict: Some(verdict),
        agent: Some(agent("dev")),
        object: Some(object),
        policy: Some(PolicyRef {
            name: Some("before".into()),
            version: Some(1),
            digest: Some("d".into()),
            generation: Generation(1),
        }),
        reason: (effect == Effect::Denied).then(|| reason("rule")),
        ..Event::bare(Timestamp { unix_ns: 5_000_000_000 }, Kind::Decision, effect, action)
    }
}

fn log(events: Vec<Event>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(directory.path(), &Options::new(directory.path())).unwrap();
    log.submit(events, Durability::Written, |recorded| drop(recorded.unwrap()));
    directory
}

fn environment_of_agents() -> Environment {
    Environment {
        home: Some("/home/dev".into()),
        ..Environment::default()
    }
}

fn policy(rules: &str) -> Policy {
    let text = format!("policy: candidate\nversion: 2\n{rules}");
    parse_policy(&text, "candidate.yaml", &environment_of_agents()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn replayed(rules: &str, events: Vec<Event>) -> Report {
    let directory = log(events);
    replay(&policy(rules), directory.path(), None, &environment_of_agents()).unwrap()
}

fn counts(report: &Report) -> (u64, [u64; 4], u64) {
    let of = |change| report.changes.iter().find(|own| own.change == change).unwrap().events;
    let changes = [
        Change::NewlyDenied,
        Change::NewlyAllowed,
        Change::NewlyAsked,
        Change::DeniedOtherwise,
    ];
    (report.same, changes.map(of), report.untold.values().sum())
}

/// The counts of one event.
fn of_one(rules: &str, event: Event) -> (u64, [u64; 4], u64) {
    counts(&replayed(rules, vec![event]))
}

const SAME: (u64, [u64; 4], u64) = (1, [0; 4], 0);
const NEWLY_DENIED: (u64, [u64; 4], u64) = (0, [1, 0, 0, 0], 0);
const NEWLY_ALLOWED: (u64, [u64; 4], u64) = (0, [0, 1, 0, 0], 0);
const NEWLY_ASKED: (u64, [u64; 4], u64) = (0, [0, 0, 1, 0], 0);
const OTHERWISE: (u64, [u64; 4], u64) = (0, [0, 0, 0, 1], 0);
const UNTOLD: (u64, [u64; 4], u64) = (0, [0; 4], 1);

#[test]
fn what_changes_is_counted_and_told_with_an_event_a_rule_and_what_would_allow_it() {
    let key = || file("/home/dev/.ssh/key", &[]);
    let events = vec![
        event("open-read", file("/srv/a", &[]), ALLOW),
        event("open-read", key(), ALLOW),
        event("open-read", key(), ALLOW),
        event("open-write", file("/srv/a", &[]), DENY),
        event("exec", file("/usr/bin/sudo", &[]), ALLOW),
        event("ptrace", Object::Process { pid: aa_wire::Pid(7) }, DENY),
    ];
    let rules = "file: {read: {allow: [/**], deny: [\"$home/.ssh/**\"]}, write: {allow: [/srv/**]}}\n\
                 exec: {allow: [/usr/bin/**], ask: [sudo]}\n";
    let told = replayed(rules, events).to_string();
    let expected = "\
6 decisions from 1970-01-01T00:00:05Z to 1970-01-01T00:00:05Z, by candidate version 2:
       1  same
       2  newly denied
       1  newly allowed
       1  newly asked
       1  cannot be told
           1  no rule can be about `ptrace`

newly denied:
  read $home/.ssh/key (2 events, such as 2)
    deny: `$home/.ssh/**` in file.read.deny (line 3)
    to allow it: nothing added: deny is stronger than allow; remove or narrow `$home/.ssh/**` in file.read.deny

newly allowed:
  write /srv/a (event 4)
    allow: `/srv/**` in file.write.allow (line 3)

newly asked:
  exec /usr/bin/sudo (event 5)
    ask: `sudo` in exec.ask (line 4)
    to allow it: nothing added: ask is stronger than allow; remove or narrow `sudo` in exec.ask
";
    assert_eq!(told, expected);
}

#[test]
fn every_kind_of_action_is_judged_as_itself() {
    let unix = |name: &str| Object::Unix { name: name.into() };
    let moved = |second| Event {
        second_object: Some(file(second, &[])),
        ..event("rename", file("/srv/a", &["directory"]), ALLOW)
    };
    let rules = "file: {read: {allow: [/srv/**]}, write: {allow: [/srv/**]}}\n\
                 exec: {allow: [/usr/bin/**], kill: [memfd]}\n\
                 net: {allow: [10.0.0.0/8, \"unix:@build\", loopback]}\nprivileges: {allow: [setuid]}\n";
    for (event, expected) in [
        (event("unlink", file("/srv/a", &[]), ALLOW), SAME),
        (event("chmod", file("/etc/a", &[]), ALLOW), NEWLY_DENIED),
        (moved("/srv/b"), SAME),
        (moved("/opt/b"), NEWLY_DENIED),
        (event("load", file("/usr/lib/x.so", &[]), ALLOW), SAME),
        (event("load", file("/srv/x.so", &[]), ALLOW), NEWLY_DENIED),
        (event("exec", file("/memfd:x", &["memfd"]), DENY), OTHERWISE),
        (event("exec", file("/usr/bin/ls", &["deleted"]), ALLOW), NEWLY_DENIED),
        (
            event("connect", address("10.0.0.1:443", "tcp", &[]), DENY),
            NEWLY_ALLOWED,
        ),
        (event("send", address("192.0.2.1:53", "udp", &[]), ALLOW), NEWLY_DENIED),
        (
            event("listen", address("127.0.0.1:8080", "tcp", &[]), DENY),
            NEWLY_ALLOWED,
        ),
        (event("unix-connect", unix("@build"), ALLOW), SAME),
        (event("unix-send", unix("/run/docker.sock"), ALLOW), NEWLY_DENIED),
        (event("unix-send", unix(""), ALLOW), UNTOLD),
        (event("setuid", file("/usr/bin/sudo", &[]), DENY), NEWLY_ALLOWED),
        (event("io-uring", file("/x", &[]), ALLOW), NEWLY_DENIED),
        (event("open-read", file("relative", &[]), ALLOW), UNTOLD),
        (event("open-read", file("/srv/a", &["truncated"]), ALLOW), UNTOLD),
        (event("send-data", address("10.0.0.1:443", "tcp", &[]), DENY), UNTOLD),
    ] {
        let what = event.clone();
        assert_eq!(of_one(rules, event), expected, "{what:?}");
    }
}

#[test]
fn arguments_that_a_rule_looks_at_and_no_record_holds_are_not_guessed() {
    let rules = "exec: {allow: [/usr/bin/**], ask: [\"git push ...\"]}\n";
    let git = || event("exec", file("/usr/bin/git", &[]), ALLOW);
    assert_eq!(of_one(rules, git()), UNTOLD);
    let with = |arguments: &str| Event {
        second_object: Some(Object::Arguments {
            arguments: arguments.into(),
        }),
        ..git()
    };
    assert_eq!(of_one(rules, with("git push origin ")), NEWLY_ASKED);
    assert_eq!(of_one(rules, with("git status ")), SAME);
    assert_eq!(of_one("exec: {allow: [/usr/bin/**]}\n", git()), SAME);
    // What was decided by its arguments has the program in their place.
    let program = Object::Arguments {
        arguments: "/usr/bin/git".into(),
    };
    assert_eq!(
        of_one("exec: {allow: [/usr/bin/**]}\n", event("exec-argv", program, DENY)),
        NEWLY_ALLOWED
    );
}

#[test]
fn names_behind_addresses_count_where_they_were_recorded() {
    let rules = "net: {allow: [\"api.example.com:443\"]}\n";
    let to = |names: &[&str]| event("connect", address("192.0.2.1:443", "tcp", names), ALLOW);
    assert_eq!(of_one(rules, to(&["api.example.com"])), SAME);
    assert_eq!(of_one(rules, to(&["other.example.com"])), NEWLY_DENIED);
    assert_eq!(of_one(rules, to(&[])), UNTOLD);
    // Of a policy that had names recorded, an address without any has none.
    let report = replayed(rules, vec![to(&["api.example.com"]), to(&[])]);
    assert_eq!(counts(&report), (1, [1, 0, 0, 0], 0));
}

#[test]
fn lookups_are_replayed_unless_an_address_was_why_they_failed() {
    let rules = "net: {allow: [\"api.example.com:443\"]}\n";
    let lookup = |name: &str, would_allow: Option<&str>| Event {
        reason: Some(reason("not-looked-up")),
        would_allow: would_allow.map(str::to_owned),
        ..event("lookup", Object::Host { name: name.into() }, DENY)
    };
    assert_eq!(
        of_one(rules, lookup("api.example.com", Some("net: ..."))),
        NEWLY_ALLOWED
    );
    assert_eq!(of_one(rules, lookup("api.example.com", None)), UNTOLD);
    assert_eq!(of_one(rules, lookup("other.example.com", None)), SAME);
    assert_eq!(of_one("net: {}\n", lookup("api.example.com", Some("net: ..."))), UNTOLD);
}

#[test]
fn what_no_rule_decided_is_not_newly_allowed() {
    let frozen = |verdict| Event {
        reason: Some(reason("killed")),
        effect: Effect::Denied,
        ..event("open-read", file("/srv/a", &[]), verdict)
    };
    let rules = "file: {read: {allow: [/srv/**]}}\n";
    assert_eq!(of_one(rules, frozen(DENY)), UNTOLD);
    assert_eq!(of_one(rules, frozen(ALLOW)), UNTOLD);
    assert_eq!(of_one("file: {read: {}}\n", frozen(DENY)), SAME);
    let report = replayed(rules, vec![frozen(DENY)]);
    assert!(
        report.untold.keys().all(|reason| reason.contains("because of killed")),
        "{report:?}"
    );
}

#[test]
fn hours_of_the_policy_hold_for_when_it_happened() {
    let read = |seconds: u64| Event {
        time: Timestamp {
            unix_ns: seconds * 1_000_000_000,
        },
        ..event("open-read", file("/srv/a", &[]), ALLOW)
    };
    let rules = "file: {read: {allow: [/srv/**]}}\nhours: {allow: \"08:00-18:00 UTC\"}\n";
    let report = replayed(rules, vec![read(9 * 3600), read(3 * 3600)]);
    assert_eq!(counts(&report), (1, [1, 0, 0, 0], 0));
    assert!(
        report
            .to_string()
            .contains("deny: closed outside of 08:00-18:00 UTC (line 4)"),
        "{report}"
    );
}

#[test]
fn the_self_test_and_what_is_no_decision_do_not_count() {
    let mut probe = event("open-read", file("/srv/a", &[]), DENY);
    probe.agent = Some(agent("self-test"));
    let mut life = event("govern", file("/srv/a", &[]), ALLOW);
    life.kind = Kind::Life;
    let started = Event::lifecycle("start", Effect::Allowed, "gateway");
    assert_eq!(replayed("file: {read: {}}\n", vec![probe, life, started]).decisions, 0);
}

#[test]
fn what_is_older_does_not_count() {
    let read = |seconds: u64| Event {
        time: Timestamp {
            unix_ns: seconds * 1_000_000_000,
        },
        ..event("open-read", file("/srv/a", &[]), ALLOW)
    };
    let directory = log(vec![read(10), read(20), read(30)]);
    let since = Some(Timestamp {
        unix_ns: 20_000_000_000,
    });
    let policy = policy("file: {read: {}}\n");
    let report = replay(&policy, directory.path(), since, &environment_of_agents()).unwrap();
    assert_eq!((report.decisions, counts(&report)), (2, (0, [2, 0, 0, 0], 0)));
}

#[test]
fn twenty_are_shown_and_the_rest_is_counted() {
    let reads = (0..30).map(|number| event("open-read", file(&format!("/srv/{number}"), &[]), ALLOW));
    let report = replayed("file: {read: {}}\n", reads.collect());
    let told = report.to_string();
    assert_eq!(told.matches("  read /srv/").count(), 20, "{told}");
    assert!(told.contains("  and 10 other actions\n"), "{told}");
    assert_eq!(counts(&report), (0, [30, 0, 0, 0], 0));
}

#[test]
fn more_actions_than_are_kept_are_counted_too() {
    let reads = (0..10_007).map(|number| event("open-read", file(&format!("/srv/{number}"), &[]), ALLOW));
    let report = replayed("file: {read: {}}\n", reads.collect());
    assert_eq!(counts(&report), (0, [10_007, 0, 0, 0], 0));
    let denied = report.changes.first().unwrap();
    assert_eq!((denied.different, denied.not_kept), (10_000, 7));
    assert!(
        report
            .to_string()
            .contains("and 7 events of actions beyond the first 10000\n")
    );
}

#[test]
fn a_directory_without_a_log_and_one_that_is_not_there_are_told() {
    let empty = tempfile::tempdir().unwrap();
    let policy = policy("net: {}\n");
    let problem = |directory: &Path| replay(&policy, directory, None, &environment_of_agents()).unwrap_err();
    assert!(problem(empty.path()).message.contains("holds no audit log"));
    let missing = problem(&empty.path().join("gone"));
    assert!(missing.hint.unwrap().contains("aasm status"));
}

#[test]
fn a_log_that_may_not_be_read_is_told_with_what_to_do() {
    let error = AuditError::File {
        operation: "list",
        path: AUDIT_DIRECTORY.into(),
        source: std::sync::Arc::new(ErrorKind::PermissionDenied.into()),
    };
    let problem = unreadable(&error);
    assert_eq!(crate::exit::code(&problem), crate::exit::NOT_PERMITTED);
    assert!(problem.hint.unwrap().contains("sudo"));
}

#[test]
fn what_is_not_replayed_of_a_policy_is_said() {
    let rules = "mode: observe\nnet: {}\nrate: {connect: {over: 10/s, then: deny}}\ndata: {block: [secret]}\n";
    let told = render(
        &policy(rules),
        &replayed(rules, vec![event("open-read", file("/a", &[]), ALLOW)]),
    );
    assert!(told.contains("only observes"), "{told}");
    assert!(told.contains("Not replayed: rate, data of the policy.\n"), "{told}");
}
