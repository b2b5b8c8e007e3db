//! What the daemon's processes may do once all is attached, and that it is enough.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use aa_wire::event::Event;

use crate::act::Act;
use crate::crashes::{attachers, processes_of, revive, stop};
use crate::guest::{Guest, command, eventually, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::records::denials_of;

pub(crate) const TESTS: &[Test] = tests![
    sensor_and_gateway_hold_what_they_need_and_no_more,
    what_the_sensor_kept_is_enough_for_all_it_does,
];

/// The last: nothing is enforced in between.
pub(crate) const LAST: &[Test] = &[Test::long(
    "unload_ends_enforcement_and_a_start_begins_it_again",
    unload_ends_enforcement_and_a_start_begins_it_again,
)];

const CHOWN: u64 = 1 << 0;
const DAC_READ_SEARCH: u64 = 1 << 2;
const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_NICE: u64 = 1 << 23;
const BPF: u64 = 1 << 39;
const CHECKPOINT_RESTORE: u64 = 1 << 40;

fn only(program: &str) -> i32 {
    let pids = processes_of(program);
    assert_eq!(pids.len(), 1, "processes of {program}");
    pids[0]
}

/// A field of `/proc/PID/status`.
fn field(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_default().trim().to_owned()
}

/// Whether a sensor has come so far that it gave up what only its start needed.
pub(crate) fn holds_little(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| status.contains("\nCapBnd:\t0000000000000000\n"))
}

fn check(checks: &mut Checks, program: &str, fields: &[(&str, u64)]) {
    check_process(checks, program, only(program), fields);
}

fn check_process(checks: &mut Checks, program: &str, pid: i32, fields: &[(&str, u64)]) {
    for (name, expected) in fields {
        let text = field(pid, name);
        let radix = if name.starts_with("Cap") { 16 } else { 10 };
        let got = u64::from_str_radix(&text, radix).unwrap_or(u64::MAX);
        checks.that(got == *expected, || {
            format!("{program}: {name} is {got:#x}, not {expected:#x}")
        });
    }
}

fn sensor_and_gateway_hold_what_they_need_and_no_more(_: &Guest, checks: &mut Checks) {
    let kept = BPF | SYS_PTRACE | CHECKPOINT_RESTORE | DAC_READ_SEARCH | KILL | SYS_NICE;
    let for_the_gateway = CHOWN | DAC_READ_SEARCH | SETGID | SETUID;
    check(
        checks,
        "aa-sensord",
        &[
            ("CapEff", kept),
            ("CapPrm", kept | for_the_gateway),
            ("CapInh", for_the_gateway),
            ("CapBnd", 0),
            ("CapAmb", 0),
            ("NoNewPrivs", 1),
            ("Seccomp", 2),
        ],
    );
    let attachers = attachers();
    checks.equal("processes that attach probes", &attachers.len(), &1);
    for pid in attachers {
        let all = [
            ("CapEff", SYS_ADMIN),
            ("CapPrm", SYS_ADMIN),
            ("CapInh", 0),
            ("CapBnd", 0),
            ("CapAmb", 0),
        ];
        check_process(checks, "what attaches probes", pid, &all);
        check_process(
            checks,
            "what attaches probes",
            pid,
            &[("NoNewPrivs", 1), ("Seccomp", 2)],
        );
    }
    let nothing = ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"].map(|set| (set, 0));
    check(checks, "aa-gateway", &nothing);
    check(checks, "aa-gateway", &[("NoNewPrivs", 1), ("Seccomp", 2)]);
    let gateway = only("aa-gateway");
    let account = succeed("id", &["-u", "aa-gateway"]).trim().to_owned();
    let four = [account.as_str(); 4].join("\t");
    checks.equal("uid of the gateway", &field(gateway, "Uid"), &four);
    for program in ["aa-sensord", "aa-gateway"] {
        let pid = only(program);
        for namespace in ["net", "ipc", "uts"] {
            let of = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
            checks.that(of(pid) != of(1), || {
                format!("{program} is in the host's {namespace} namespace")
            });
        }
    }
}

/// Policies, runs, names of stacks, the kill switch, and a gateway that has to be started again.
fn what_the_sensor_kept_is_enough_for_all_it_does(guest: &Guest, checks: &mut Checks) {
    let secret = file_at(guest.tree("kept").join("secret"), "x");
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    let line = format!("open-read {}", secret.display());
    let program = format!("{}/act-kept", crate::guest::PROGRAMS);
    fs::copy(crate::guest::ACT, &program).unwrap();
    let mut running = Act::ungoverned_as(&program);
    checks.equal("before the policy", &running.ask(&line).as_str(), &"ok");
    let text = format!("policy: kept\nversion: 1\ngoverns: [{{exec: {program}}}]\n{body}");
    let file = file_at("/run/aa-guest-test/kept.yaml", &text);
    succeed("aasm", &["policy", "apply", &file.display().to_string()]);
    let mut selected = Act::ungoverned_as(&program);
    checks.equal("selected", &selected.ask(&line).as_str(), &"errno EPERM");
    for round in ["at first", "after the gateway died"] {
        let mut act = Act::governed("kept-run", &body);
        checks.equal(round, &act.ask(&line).as_str(), &"errno EPERM");
        // Names come after the record.
        let id = denials_of(&act.agent, 1)[0].id.to_string();
        let named = eventually(Duration::from_secs(10), || {
            let event: Event = serde_json::from_str(&succeed("aasm", &["why", &id, "--json"])).unwrap();
            event.stack.iter().any(|frame| frame.module.is_some())
        });
        checks.that(named, || format!("{round}: no frame of the stack of {id} has a name"));
        succeed("aasm", &["kill", &act.agent]);
        checks.that(!act.end().success(), || {
            format!("{round}: the kill switch killed nobody")
        });
        let gateway = only("aa-gateway");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(gateway), nix::sys::signal::Signal::SIGKILL).unwrap();
        let back = eventually(Duration::from_secs(30), || {
            !processes_of("aa-gateway").contains(&gateway) && command("aasm", &["agents"]).status.success()
        });
        checks.that(back, || format!("{round}: no new gateway"));
        sensor_and_gateway_hold_what_they_need_and_no_more(guest, checks);
    }
}

fn unload_ends_enforcement_and_a_start_begins_it_again(guest: &Guest, checks: &mut Checks) {
    let secret = file_at(guest.tree("unload").join("secret"), "x");
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    let line = format!("open-read {}", secret.display());
    let mut act = Act::governed("unload", &body);
    checks.equal("in force", &act.ask(&line).as_str(), &"errno EPERM");
    let refused = command("aa-sensord", &["unload"]);
    checks.equal("unload beside the daemon", &refused.status.code(), &Some(1));
    checks.contains("what it says", &said(&refused), "systemctl stop aa-sensord");
    checks.equal("still in force", &act.ask(&line).as_str(), &"errno EPERM");
    stop();
    succeed("aa-sensord", &["unload"]);
    // The kernel detaches a program some time after its last pin is gone.
    let ended = eventually(Duration::from_secs(60), || act.ask(&line) == "ok");
    checks.that(ended, || "denied although nothing is loaded".to_owned());
    let pins: BTreeSet<_> = fs::read_dir("/sys/fs/bpf/aa-sensord")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    checks.equal("pins left", &pins, &BTreeSet::new());
    revive();
    // Whatever was denied for want of a gateway comes after it.
    let told = succeed("aasm", &["events", "-n", "200"]);
    let unloads = told.matches("all enforcement ends, by user 0").count();
    checks.that(unloads == 1, || format!("recorded {unloads} times: {told}"));
    let mut again = Act::governed("unload", &body);
    checks.equal("in force again", &again.ask(&line).as_str(), &"errno EPERM");
    sensor_and_gateway_hold_what_they_need_and_no_more(guest, checks);
}
