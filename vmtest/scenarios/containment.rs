//! What no governed process may do, whatever the policy says, and the kill switch.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::act::Act;
use crate::guest::{Guest, command, eventually, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::records::denials_of;
use crate::steps::{allow, deny, enforce};

pub(crate) const TESTS: &[Test] = tests![
    namespaces_mounts_and_bpf_are_out_of_reach,
    what_is_listed_is_let_go_on,
    processes_of_others_are_out_of_reach,
    the_kill_switch_stops_every_action_and_ends_the_processes,
    the_exit_status_of_the_program_is_passed_on,
];

const BODY: &str = "file:\n  read: {default: allow}\n  write: {default: allow}\n";

fn namespaces_mounts_and_bpf_are_out_of_reach(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("mounts");
    fs::create_dir(tree.join("a")).unwrap();
    let t = tree.join("a").display().to_string();
    let steps = [
        deny(format!("mount-bind /etc {t}"), "mount"),
        deny(format!("mount-tmpfs {t}"), "mount"),
        deny("umount /dev/shm", "mount"),
        deny(format!("move-mount /etc {t}"), "mount"),
        deny(format!("unshare mnt mount-tmpfs {t}"), "mount"),
        deny("bpf map", "bpf"),
        deny("bpf program", "bpf"),
        deny("type /dev/ptmx", "terminal-input"),
        deny("type /etc/passwd", "terminal-input"),
    ];
    enforce(checks, "contained", BODY, || {}, &steps);
    let mut act = Act::governed("contained", BODY);
    checks.equal("unshare", &act.ask("unshare user getpid").as_str(), &"setup EPERM");
    checks.equal("clone", &act.ask("clone-new user getpid").as_str(), &"clone EPERM");
    checks.equal(
        "as a plain user",
        &act.ask("as-user 1000 unshare user getpid").as_str(),
        &"setup EPERM",
    );
    let records: Vec<String> = denials_of(&act.agent, 3)
        .into_iter()
        .map(|event| event.action)
        .collect();
    checks.equal("records", &records, &vec!["user-namespace".to_owned(); 3]);
}

/// `privileges`: each alone opens itself and nothing else, and nothing of it is asked about where the section is absent.
fn what_is_listed_is_let_go_on(guest: &Guest, checks: &mut Checks) {
    let file = guest.tree("privileges").join("f");
    fs::write(&file, "x").unwrap();
    let lines = [
        ("setuid", "as-user 1000 exec /usr/bin/su --version".to_owned()),
        ("user-namespace", "clone-new user getpid".to_owned()),
        ("io-uring", format!("uring-openat {}", file.display())),
    ];
    for (listed, word) in [
        (None, ""),
        (Some("setuid"), "setuid"),
        (Some("user-namespace"), "userns"),
        (Some("io-uring"), "io_uring"),
    ] {
        let body = format!("{BODY}privileges: {{allow: [{word}]}}\n");
        let mut act = Act::governed("privileges", &body);
        for (action, line) in &lines {
            let answer = act.ask(line);
            let passed = !answer.contains("EPERM") && !answer.contains("denied");
            checks.that(passed == (listed == Some(action)), || {
                format!("{listed:?}: {line}: {answer}")
            });
        }
        let records = denials_of(&act.agent, if listed.is_some() { 2 } else { 3 });
        for event in &records {
            checks.that(listed != Some(event.action.as_str()), || {
                format!("{listed:?}: a record of {}", event.action)
            });
            checks.equal(
                "reason",
                &event.reason.as_ref().map(|reason| reason.code.as_str()),
                &Some("privilege"),
            );
            let offered = event.would_allow.clone().unwrap_or_default();
            checks.that(offered.starts_with("privileges: {allow: ["), || {
                format!("{}: {offered}", event.action)
            });
        }
    }
    let mut act = Act::governed("privileges", &format!("{BODY}privileges: {{deny: [io_uring]}}\n"));
    let answer = act.ask(&lines[2].1);
    checks.that(!answer.starts_with("ok"), || answer);
    let event = denials_of(&act.agent, 1).pop().unwrap();
    checks.equal(
        "a rule's reason",
        &event.reason.map(|reason| reason.code),
        &Some("rule".to_owned()),
    );
}

fn processes_of_others_are_out_of_reach(_: &Guest, checks: &mut Checks) {
    let mut victim = Act::ungoverned();
    let pid = victim.started_pid();
    let other = Act::governed("other-agent", BODY);
    let steps = [
        deny(format!("kill {pid} 15"), "signal"),
        deny(format!("kill {pid} 9"), "signal"),
        deny(format!("kill {} 15", other.started_pid()), "signal"),
        deny(format!("pidfd-signal {pid} 9"), "signal"),
        // Whether it is there is no secret.
        allow(format!("kill {pid} 0")),
        deny(format!("ptrace-attach {pid}"), "ptrace"),
        deny(format!("process-vm-readv {pid} 0x400000"), "ptrace"),
        deny(format!("pidfd-getfd {pid} 0"), "ptrace"),
        allow("own-child kill"),
        allow("own-child ptrace"),
    ];
    enforce(checks, "others", BODY, || {}, &steps);
    let mut act = Act::governed("others", BODY);
    let answer = act.ask(&format!("proc-mem {pid}"));
    checks.that(answer.starts_with("errno E"), || format!("/proc/{pid}/mem: {answer}"));
    checks.that(victim.ask("getpid").starts_with("ok"), || {
        "the victim is gone".to_owned()
    });
}

fn the_kill_switch_stops_every_action_and_ends_the_processes(_: &Guest, checks: &mut Checks) {
    let mut act = Act::governed("doomed", BODY);
    let mut other = Act::governed("bystander", BODY);
    let started: Vec<u32> = ["prefork", "getpid"]
        .map(|line| act.ask(line).trim_start_matches("ok ").parse().unwrap())
        .to_vec();
    let agent = act.agent.clone();
    succeed("aasm", &["kill", &agent]);
    let dead = eventually(Duration::from_secs(10), || {
        started
            .iter()
            .all(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z ")))
    });
    checks.that(dead, || "its processes are alive".to_owned());
    let status = act.end();
    checks.that(!status.success(), || format!("aasm run ended with {status}"));
    checks.equal("another agent", &other.ask("open-read /etc/passwd").as_str(), &"ok");
    let nobody = command("aasm", &["kill", "nobody-of-this-name"]);
    checks.that(!nobody.status.success(), || "killing nobody succeeded".to_owned());
}

fn the_exit_status_of_the_program_is_passed_on(_: &Guest, checks: &mut Checks) {
    let policy = crate::act::policy_file("status", BODY);
    let run = |program: &[&str]| {
        let output = Command::new("aasm")
            .args(["run", "--work", "/srv/work", "--policy"])
            .arg(&policy)
            .arg("--")
            .args(program)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), said(&output))
    };
    for (program, expected) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["/nonexistent/program"], 127),
        (&["/etc/passwd"], 126),
    ] {
        let (code, text) = run(program);
        checks.equal(format!("{program:?}: {text}"), &code, &Some(expected));
    }
}
