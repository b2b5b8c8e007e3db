//! The daemon dies and comes back; the kernel goes on denying meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use aa_wire::Timestamp;
use nix::sys::signal::Signal;

use crate::act::Act;
use crate::guest::{Guest, command, eventually, file_at, succeed};
use crate::harness::{Checks, Test, tests};
use crate::records::{denials_of, lost_since};
use crate::unit::is_systemd;

pub(crate) const TESTS: &[Test] = tests![
    denials_go_on_while_the_gateway_is_dead_and_are_recorded_after,
    denials_go_on_while_the_sensor_is_dead_and_are_recorded_after,
    denials_go_on_while_both_are_dead_and_are_recorded_after,
    what_ran_while_the_daemon_was_away_is_picked_up,
    a_new_sensor_waits_for_the_gateway_of_the_old_one,
    a_gateway_that_does_not_end_is_replaced,
];

/// Processes by the name of their program's file; the sensor's `attach` is told by [`attachers`] alone.
pub(crate) fn processes_of(program: &str) -> Vec<i32> {
    let mut found = all_processes_of(program);
    found.retain(|pid| !attaches(*pid));
    found
}

/// The processes that attach probes.
pub(crate) fn attachers() -> Vec<i32> {
    let mut found = all_processes_of("aa-sensord");
    found.retain(|pid| attaches(*pid));
    found
}

fn attaches(pid: i32) -> bool {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).nth(1) == Some(b"attach")
}

fn all_processes_of(program: &str) -> Vec<i32> {
    let found = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let name = exe.file_name()?.to_string_lossy().into_owned();
        (name.trim_end_matches(" (deleted)") == program).then_some(pid)
    });
    found.collect()
}

/// Kills what runs of these, and waits until it is gone; how many that were.
pub(crate) fn kill_those_alive(programs: &[&str]) -> usize {
    let mut pids: Vec<i32> = programs.iter().flat_map(|program| processes_of(program)).collect();
    pids.retain(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), Signal::SIGKILL).is_ok());
    let gone = |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_err();
    let died = eventually(Duration::from_secs(30), || pids.iter().all(gone));
    assert!(died, "{programs:?} do not die of SIGKILL");
    pids.len()
}

pub(crate) fn kill(programs: &[&str], checks: &mut Checks) {
    for program in programs {
        let pids = processes_of(program);
        checks.that(!pids.is_empty(), || format!("{program} does not run"));
        for pid in pids {
            // One may end because the other did.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Ends the daemon for good: nobody starts it again.
pub(crate) fn stop() {
    if is_systemd() {
        succeed("systemctl", &["stop", "aa-sensord.service"]);
    }
    kill_those_alive(&["aa-sensord", "aa-gateway"]);
}

/// Starts the daemon if nobody else does, and waits until it answers.
pub(crate) fn revive() {
    // One that loads its programs anew takes that long where two guests share a processor. One that was killed may be there for a while
    // yet, and is then nobody who comes back.
    let answers = eventually(Duration::from_secs(480), || {
        start_again();
        command("aasm", &["agents"]).status.success()
    });
    let log = fs::read_to_string("/run/aa-vmtest/daemon-again.log").unwrap_or_default();
    assert!(
        answers,
        "the daemon does not come back: {}\n{log}",
        crate::guest::said(&command("aasm", &["agents"]))
    );
}

/// Starts the daemon if nobody else does.
pub(crate) fn start_again() {
    if !processes_of("aa-sensord").is_empty() {
        // Its supervisor is alive; what it supervises comes back by itself.
    } else if is_systemd() {
        succeed("systemctl", &["start", "aa-sensord.service"]);
    } else {
        let script = ". /run/aa-vmtest/lib.sh; DAEMON_LOG=/run/aa-vmtest/daemon-again.log; start_like_systemd aa-sensord.service";
        let started = std::process::Command::new("bash")
            .args(["-c", script])
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(started.success(), "the daemon cannot be started");
    }
}

/// Denials and allowed actions before, while and after.
fn survives(guest: &Guest, checks: &mut Checks, programs: &[&str]) {
    // Four in each of four rounds.
    const DENIALS: usize = 16;
    let tree = guest.tree("crash");
    let (secret, open) = (file_at(tree.join("secret"), "x"), file_at(tree.join("open"), "x"));
    let (secret, open) = (secret.display(), open.display());
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{secret}']}}\nnet: {{allow: [127.0.0.1]}}\n");
    let mut act = Act::governed("crash", &body);
    let begun = Timestamp::now();
    let mut round = |checks: &mut Checks, when: &str| {
        for how in ["", "fork ", "double-fork "] {
            checks.equal(
                format!("{when}: {how}denied"),
                &act.ask(&format!("{how}open-read {secret}")).as_str(),
                &"errno EPERM",
            );
            checks.equal(
                format!("{when}: {how}allowed"),
                &act.ask(&format!("{how}open-read {open}")).as_str(),
                &"ok",
            );
        }
        checks.equal(
            format!("{when}: connect"),
            &act.ask("connect 127.0.0.2 9").as_str(),
            &"errno EPERM",
        );
    };
    round(checks, "before");
    kill(programs, checks);
    round(checks, "right after the kill");
    std::thread::sleep(Duration::from_millis(300));
    round(checks, "while away");
    revive();
    round(checks, "when back");
    let agent = act.agent.clone();
    let records = denials_of(&agent, DENIALS);
    let lost = lost_since(begun);
    // The ring holds what a gateway had read and not yet recorded.
    checks.equal("recorded and lost", &(records.len(), lost), &(DENIALS, 0));
    let mut numbers: Vec<_> = records.iter().map(|event| (event.cpu, event.sequence)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    checks.equal("records recorded twice", &(records.len() - numbers.len()), &0);
    let status = act.end();
    checks.that(status.success(), || format!("aasm run ended with {status}"));
    let intact = command("aasm", &["audit", "verify"]);
    checks.that(intact.status.success(), || crate::guest::said(&intact));
}

fn denials_go_on_while_the_gateway_is_dead_and_are_recorded_after(guest: &Guest, checks: &mut Checks) {
    survives(guest, checks, &["aa-gateway"]);
}

fn denials_go_on_while_the_sensor_is_dead_and_are_recorded_after(guest: &Guest, checks: &mut Checks) {
    survives(guest, checks, &["aa-sensord"]);
}

fn denials_go_on_while_both_are_dead_and_are_recorded_after(guest: &Guest, checks: &mut Checks) {
    survives(guest, checks, &["aa-sensord", "aa-gateway"]);
}

/// Selectors are matched in the kernel, so a program started meanwhile is governed at once.
fn what_ran_while_the_daemon_was_away_is_picked_up(guest: &Guest, checks: &mut Checks) {
    let secret = file_at(guest.tree("away").join("secret"), "x");
    let program = format!("{}/act-away", crate::guest::PROGRAMS);
    fs::copy(crate::guest::ACT, &program).unwrap();
    let text = format!(
        "policy: away\nversion: 1\ngoverns: [{{exec: {program}}}]\nfile:\n  read: {{allow: [/**], deny: ['{}']}}\n",
        secret.display()
    );
    let file = file_at("/run/aa-guest-test/away.yaml", &text);
    succeed("aasm", &["policy", "apply", &file.display().to_string()]);
    let line = format!("open-read {}", secret.display());
    kill(&["aa-sensord", "aa-gateway"], checks);
    let mut meanwhile = Act::ungoverned_as(&program);
    checks.equal("started meanwhile", &meanwhile.ask(&line).as_str(), &"errno EPERM");
    revive();
    let mut after = Act::ungoverned_as(&program);
    checks.equal("the same after", &meanwhile.ask(&line).as_str(), &"errno EPERM");
    checks.equal("started after", &after.ask(&line).as_str(), &"errno EPERM");
    checks.contains("agents", &succeed("aasm", &["agents", "--json"]), "away");
}

/// Two gateways on the same rings would each take some records, and some twice.
fn a_new_sensor_waits_for_the_gateway_of_the_old_one(guest: &Guest, checks: &mut Checks) {
    takes_over(guest, checks, |old, checks| {
        if is_systemd() {
            // It ends what the old sensor left, and lets it go on for that.
            return;
        }
        // A sensor that has given up its privileges is about to start a gateway.
        let there = eventually(Duration::from_secs(120), || {
            let sensors = processes_of("aa-sensord");
            matches!(sensors.as_slice(), [sensor] if crate::privileges::holds_little(*sensor))
        });
        checks.that(there, || "the new sensor does not start".to_owned());
        std::thread::sleep(Duration::from_millis(500));
        checks.equal("gateways", &processes_of("aa-gateway").as_slice(), &[old].as_slice());
        signal(old, Signal::SIGCONT);
    });
}

fn a_gateway_that_does_not_end_is_replaced(guest: &Guest, checks: &mut Checks) {
    takes_over(guest, checks, |_, _| ());
}

fn signal(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// A gateway that stands still cannot notice that its sensor is dead. A new sensor comes at once.
fn takes_over(guest: &Guest, checks: &mut Checks, meanwhile: impl FnOnce(i32, &mut Checks)) {
    const EACH: usize = 40;
    let tree = guest.tree("take-over");
    let secret = file_at(tree.join("secret"), "x");
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    let mut act = Act::governed("take-over", &body);
    let agent = act.agent.clone();
    let begun = Timestamp::now();
    let line = format!(
        "flood {} {EACH} {EACH} {}",
        tree.join("open").display(),
        secret.display()
    );
    Act::ungoverned().ask(&format!("open-many {} 0 {EACH}", tree.join("open").display()));
    let mut denials = |checks: &mut Checks, when: &str| {
        checks.equal(when, &act.ask(&line), &format!("ok {EACH} {EACH}"));
    };
    denials(checks, "before");
    // What a gateway took and has not written would end with it.
    denials_of(&agent, EACH);
    let old = processes_of("aa-gateway");
    checks.equal("gateways at first", &old.len(), &1);
    signal(old[0], Signal::SIGSTOP);
    denials(checks, "while it stands still");
    kill(&["aa-sensord"], checks);
    let gone = eventually(Duration::from_secs(10), || processes_of("aa-sensord").is_empty());
    checks.that(gone || is_systemd(), || "the sensor does not die".to_owned());
    start_again();
    denials(checks, "right after the kill");
    meanwhile(old[0], checks);
    revive();
    checks.equal("gateways at last", &processes_of("aa-gateway").len(), &1);
    denials(checks, "when back");
    let records = denials_of(&agent, 4 * EACH);
    checks.equal("records", &records.len(), &(4 * EACH));
    let numbers: BTreeSet<_> = records.iter().map(|event| (event.cpu, event.sequence)).collect();
    checks.equal("different records", &numbers.len(), &(4 * EACH));
    checks.equal("lost", &lost_since(begun), &0);
    let intact = command("aasm", &["audit", "verify"]);
    checks.that(intact.status.success(), || crate::guest::said(&intact));
}
