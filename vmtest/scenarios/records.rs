//! What `aasm events` shows, and that nothing of it is lost.

use std::time::Duration;

use aa_wire::Timestamp;
use aa_wire::api::is_denial;
use aa_wire::event::{Event, Kind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::act::Act;
use crate::crashes::{revive, stop};
use crate::guest::{Guest, eventually, file_at, succeed};
use crate::harness::{Checks, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::long(
        "no_denial_is_lost_under_a_flood_of_allowed_actions",
        no_denial_is_lost_under_a_flood_of_allowed_actions,
    ),
    Test::long(
        "denials_that_nobody_reads_stay_denials_and_are_counted",
        denials_that_nobody_reads_stay_denials_and_are_counted,
    ),
    Test::long(
        "a_sensor_starts_where_nobody_has_read_the_denials",
        a_sensor_starts_where_nobody_has_read_the_denials,
    ),
];

/// How long a record may be on its way.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(20);

fn parse(text: &str) -> Vec<Event> {
    let events = text.lines().filter(|line| line.starts_with('{'));
    events
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect()
}

/// The decisions of an agent that were (or would have been) against it, once there are at least so many.
pub(crate) fn denials_of(agent: &str, least: usize) -> Vec<Event> {
    let mut found = Vec::new();
    eventually(ARRIVAL, || {
        found = parse(&succeed(
            "aasm",
            &["events", "--json", "--denied", "--agent", agent, "-n", "10000"],
        ));
        found.retain(is_denial);
        found.len() >= least
    });
    found.sort_by_key(|event| event.time);
    found
}

/// Many more allowed actions than the activity ring holds, from four processes, with denials in between.
fn no_denial_is_lost_under_a_flood_of_allowed_actions(guest: &Guest, checks: &mut Checks) {
    const FILES: usize = 5_000;
    const DENIALS: usize = 250;
    let tree = guest.tree("flood");
    let tree = tree.display();
    let secret = format!("{tree}/secret");
    std::fs::write(&secret, "x").unwrap();
    std::fs::create_dir(format!("{tree}/many")).unwrap();
    let prefix = format!("{tree}/many/f");
    let made = Act::ungoverned().ask(&format!("open-many {prefix} 0 {FILES}"));
    checks.equal("files made", &made, &format!("ok {FILES}"));
    let body = format!("file:\n  read: {{allow: ['{tree}/many/**'], deny: ['{secret}']}}\n");
    let mut acts: Vec<Act> = (0..4).map(|_| Act::governed("flood", &body)).collect();
    let agents: Vec<String> = acts.iter().map(|act| act.agent.clone()).collect();
    let line = format!("flood {prefix} {FILES} {DENIALS} {secret}");
    let answers: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = acts.iter_mut().map(|act| scope.spawn(|| act.ask(&line))).collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    for answer in answers {
        checks.equal("opens allowed and denied", &answer, &format!("ok {FILES} {DENIALS}"));
    }
    for agent in agents {
        let denials = denials_of(&agent, DENIALS);
        checks.equal("records of denials", &denials.len(), &DENIALS);
    }
}

/// More denials than the ring holds while the gateway stands still: each is denied, and each is recorded or counted.
fn denials_that_nobody_reads_stay_denials_and_are_counted(guest: &Guest, checks: &mut Checks) {
    const AT_ONCE: usize = 1_000;
    const DENIALS: usize = 12 * AT_ONCE;
    let tree = guest.tree("unread");
    let (open, secret) = (
        tree.join("open").display().to_string(),
        tree.join("secret").display().to_string(),
    );
    std::fs::write(&secret, "x").unwrap();
    Act::ungoverned().ask(&format!("open-many {open} 0 {AT_ONCE}"));
    let body = format!("file:\n  read: {{allow: ['{open}*'], deny: ['{secret}']}}\n");
    let mut act = Act::governed("unread", &body);
    // It is governed once it answers; that takes a gateway.
    checks.equal("governed", &act.ask(&format!("open-read {open}0")).as_str(), &"ok");
    let begun = Timestamp::now();
    let gateways: Vec<Pid> = crate::crashes::processes_of("aa-gateway")
        .into_iter()
        .map(Pid::from_raw)
        .collect();
    checks.equal("gateways", &gateways.len(), &1);
    let signal = |signal: Signal| gateways.iter().for_each(|pid| kill(*pid, signal).unwrap());
    signal(Signal::SIGSTOP);
    for _ in 0..DENIALS / AT_ONCE {
        // As many opens of the secret as of files, each of which is allowed.
        let answer = act.ask(&format!("flood {open} {AT_ONCE} {AT_ONCE} {secret}"));
        checks.equal(
            "allowed and denied while nobody reads",
            &answer,
            &format!("ok {AT_ONCE} {AT_ONCE}"),
        );
    }
    signal(Signal::SIGCONT);
    std::thread::sleep(Duration::from_secs(5));
    each_is_told(&mut act, &secret, begun, [DENIALS, 0], checks);
}

/// More denials than the ring holds: what the start has to prove does not depend on room for its own records.
fn a_sensor_starts_where_nobody_has_read_the_denials(guest: &Guest, checks: &mut Checks) {
    const AT_ONCE: usize = 1_000;
    const DENIALS: usize = 12 * AT_ONCE;
    /// Denials of the self-test, which come while the ring is full.
    const OF_SELF_TEST: usize = 150;
    let secret = file_at(guest.tree("unread-at-start").join("secret"), "x");
    let secret = secret.display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{secret}']}}\n");
    let begun = Timestamp::now();
    let mut act = Act::governed("unread-at-start", &body);
    // It is governed once it answers.
    checks.equal(
        "denied before",
        &act.ask(&format!("open-read {secret}")).as_str(),
        &"errno EPERM",
    );
    stop();
    for _ in 0..DENIALS / AT_ONCE {
        let answer = act.ask(&format!("flood /nothing- {AT_ONCE} {AT_ONCE} {secret}"));
        checks.equal("denied while nobody is there", &answer, &format!("ok 0 {AT_ONCE}"));
    }
    revive();
    each_is_told(&mut act, &secret, begun, [DENIALS + 1, OF_SELF_TEST], checks);
}

/// Records of the decisions ring that were lost since then, as the log tells it.
pub(crate) fn lost_since(begun: Timestamp) -> usize {
    let events = parse(&succeed("aasm", &["events", "--json", "--since", &begun.to_string()]));
    let lost = |event: &Event| event.kind == Kind::Loss && event.ring == Some(aa_wire::event::Ring::Decisions);
    let lost: u64 = events
        .iter()
        .filter(|event| lost(event))
        .filter_map(|event| event.lost)
        .sum();
    usize::try_from(lost).unwrap()
}

/// Each of so many denials was recorded or is counted as lost, more than the ring holds: there are both. Lost may be, besides,
/// as many as `others`.
fn each_is_told(act: &mut Act, secret: &str, begun: Timestamp, [denials, others]: [usize; 2], checks: &mut Checks) {
    // A hole is seen by what comes after it on the same processor.
    let processors = std::thread::available_parallelism().unwrap().get();
    let later = 10 * processors;
    for number in 0..later {
        let line = format!("on-cpu {} open-read {secret}", number % processors);
        checks.equal("denied afterwards", &act.ask(&line).as_str(), &"errno EPERM");
    }
    let (mut recorded, mut lost) = (0, 0);
    // As long as more arrive: who looks takes the gateway's time where processors are few.
    loop {
        let until_now = recorded + lost;
        std::thread::sleep(ARRIVAL);
        recorded = denials_of(&act.agent, 0).len();
        lost = lost_since(begun);
        if recorded + lost >= denials + later || recorded + lost == until_now {
            break;
        }
    }
    checks.that(
        (denials + later..=denials + later + others).contains(&(recorded + lost)) && lost > 0 && recorded > 1000,
        || format!("of {denials} + {later} denials {recorded} are recorded and {lost} counted as lost"),
    );
}
