//! The kill switch of the whole system: by a file, by a signal and by hand; whoever is killed, and nobody anew until it is lifted.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aa_wire::Event;
use aa_wire::event::Effect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::act::{Act, policy_file};
use crate::crashes::{kill_those_alive, processes_of, revive};
use crate::guest::{Guest, command, eventually, said, succeed};
use crate::harness::{Checks, Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_file_halts_everything,
    a_signal_halts_everything_without_a_gateway,
    killing_all_halts_everything_until_all_resume,
];

const FILE: &str = "/run/aa-sensord/halt";
const BODY: &str = "default: allow\nfile: {read: {}, write: {}}\nexec: {}\nnet: {}\n";

/// What was recorded of halts.
fn halts() -> Vec<String> {
    let events = succeed("aasm", &["events", "--json", "-n", "10000"]);
    let events = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let halts = events.filter(|event| event.action == "halt" && event.effect == Effect::Killed);
    halts.filter_map(|event| event.detail).collect()
}

/// Throws the switch while an agent runs: it ends, and none begins until all resume.
fn halted_by(checks: &mut Checks, throw: impl FnOnce(), by: &str) {
    let before = halts().len();
    let agent = Act::governed("halted", BODY);
    let pid = agent.started_pid();
    throw();
    let gone = || !Path::new(&format!("/proc/{pid}/exe")).exists();
    checks.that(eventually(Duration::from_secs(20), gone), || format!("{by}: it lives"));
    revive();
    let policy = policy_file("halted", BODY).display().to_string();
    let anew = || command("aasm", &["run", "--policy", &policy, "--", "/bin/true"]);
    let refused = anew();
    checks.that(!refused.status.success(), || format!("{by}: another begins"));
    checks.contains(by, &said(&refused), "everything is halted, by ");
    checks.contains(by, &said(&command("aasm", &["status"])), "HALTED:");
    // Each gateway that there is meanwhile is told.
    let told = eventually(Duration::from_secs(20), || halts().len() > before);
    let halts = halts();
    checks.that(told, || format!("{by}: {halts:?}"));
    checks.contains("who", halts.last().map_or("", String::as_str), by);
    succeed("aasm", &["resume", "all"]);
    checks.that(!Path::new(FILE).exists(), || "the file stays".to_owned());
    let again = anew();
    checks.that(again.status.success(), || said(&again));
}

fn a_file_halts_everything(_: &Guest, checks: &mut Checks) {
    halted_by(
        checks,
        || fs::write(FILE, "").unwrap(),
        "by the file /run/aa-sensord/halt",
    );
}

fn a_signal_halts_everything_without_a_gateway(_: &Guest, checks: &mut Checks) {
    let throw = || {
        kill_those_alive(&["aa-gateway"]);
        for sensor in processes_of("aa-sensord") {
            kill(Pid::from_raw(sensor), Signal::SIGUSR1).unwrap();
        }
    };
    halted_by(checks, throw, "by SIGUSR1 of process ");
}

fn killing_all_halts_everything_until_all_resume(_: &Guest, checks: &mut Checks) {
    halted_by(
        checks,
        || drop(succeed("aasm", &["kill", "all"])),
        "by user 0 (process ",
    );
}
