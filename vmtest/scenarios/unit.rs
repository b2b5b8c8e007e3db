//! The service as systemd runs it: hardened, started, restarted. Only where systemd is process 1.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::act::Act;
use crate::crashes::processes_of;
use crate::guest::{Guest, command, eventually, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    systemd_runs_the_unit_little_exposed,
    a_restart_by_systemd_lets_nothing_through,
    systemd_starts_a_killed_sensor_again,
];

const UNIT: &str = "aa-sensord.service";
/// What `systemd-analyze security` may say, in tenths; the unit says what keeps it from less.
const EXPOSURE: u32 = 45;
/// How long an emulated machine may take to prove every hook, and to start what waits for that.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) fn is_systemd() -> bool {
    std::fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim() == "systemd")
}

fn property(name: &str) -> String {
    succeed("systemctl", &["show", "--value", "-p", name, UNIT])
        .trim()
        .to_owned()
}

fn systemd_runs_the_unit_little_exposed(_: &Guest, checks: &mut Checks) {
    checks.equal("type", &property("Type").as_str(), &"notify");
    checks.equal("state", &property("ActiveState").as_str(), &"active");
    checks.contains("status", &property("StatusText"), "every hook proven");
    let sensor = processes_of("aa-sensord").first().map(ToString::to_string);
    checks.equal("main process", &Some(property("MainPID")), &sensor);
    let report = said(&command("systemd-analyze", &["security", "--no-pager", UNIT]));
    let overall = report.lines().find(|line| line.contains("Overall exposure level"));
    let level = overall.and_then(|line| line.split(':').nth(1)?.split_whitespace().next()?.parse::<f64>().ok());
    checks.that(level.is_some_and(|level| level * 10.0 <= f64::from(EXPOSURE)), || {
        format!("exposure {level:?}:\n{report}")
    });
    println!("exposure of {UNIT}: {level:?}");
}

/// Asks without pause while something happens; how often, and what was let through.
fn always_denied(guest: &Guest, checks: &mut Checks, meanwhile: impl FnOnce()) {
    let secret = file_at(guest.tree("unit").join("secret"), "x");
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    let line = format!("open-read {}", secret.display());
    let mut act = Act::governed("unit", &body);
    checks.equal("at first", &act.ask(&line).as_str(), &"errno EPERM");
    let over = AtomicBool::new(false);
    let (asked, other) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut asked, mut other) = (0_u32, Vec::new());
            while !over.load(Ordering::Relaxed) {
                let answer = act.ask(&line);
                asked += 1;
                if answer != "errno EPERM" {
                    other.push(answer);
                }
            }
            (asked, other)
        });
        meanwhile();
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    checks.that(asked > 10, || format!("asked {asked} times only"));
    checks.equal("not denied", &other, &Vec::new());
}

fn a_restart_by_systemd_lets_nothing_through(guest: &Guest, checks: &mut Checks) {
    let before = processes_of("aa-sensord");
    always_denied(guest, checks, || {
        succeed("systemctl", &["restart", UNIT]);
    });
    let after = processes_of("aa-sensord");
    checks.that(after.len() == 1 && after != before, || {
        format!("{before:?} became {after:?}")
    });
    checks.equal("state", &property("ActiveState").as_str(), &"active");
    // The resolver, a service of its own, comes after it.
    let healthy = eventually(PATIENCE, || command("aasm", &["status"]).status.success());
    checks.that(healthy, || said(&command("aasm", &["status"])));
}

/// What every process of the unit is at, for who has to find out why nothing came.
fn where_they_stand() -> String {
    let group = property("ControlGroup");
    let pids = std::fs::read_to_string(format!("/sys/fs/cgroup{group}/cgroup.procs")).unwrap_or_default();
    let told = pids.lines().map(|pid| {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let arguments = read("cmdline").replace('\0', " ");
        format!("{pid} {arguments}\n{}{}", read("syscall"), read("stack"))
    });
    told.collect()
}

fn systemd_starts_a_killed_sensor_again(guest: &Guest, checks: &mut Checks) {
    let before = processes_of("aa-sensord");
    let mut again = false;
    always_denied(guest, checks, || {
        for pid in &before {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        again = eventually(PATIENCE, || {
            let now = processes_of("aa-sensord");
            !now.is_empty() && now != before && command("aasm", &["agents"]).status.success()
        });
    });
    checks.that(again, || {
        let log = said(&command("journalctl", &["--no-pager", "-n", "40", "-u", UNIT]));
        format!("no other sensor came:\n{}\n{log}", where_they_stand())
    });
    checks.equal("sensors", &processes_of("aa-sensord").len(), &1);
    checks.equal("gateways", &processes_of("aa-gateway").len(), &1);
    checks.equal("state", &property("ActiveState").as_str(), &"active");
}
