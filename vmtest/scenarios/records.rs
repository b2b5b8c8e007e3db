//! What `aasm events` shows, and that nothing of it is lost.

use std::time::Duration;

use aa_wire::event::{Effect, Event, Kind};

use crate::act::Act;
use crate::guest::{Guest, eventually, succeed};
use crate::harness::{Checks, Test};

pub(crate) const TESTS: &[Test] = &[Test::long(
    "no_denial_is_lost_under_a_flood_of_allowed_actions",
    no_denial_is_lost_under_a_flood_of_allowed_actions,
)];

/// How long a record may be on its way.
const ARRIVAL: Duration = Duration::from_secs(20);

/// The events of an agent so far.
pub(crate) fn events_of(agent: &str) -> Vec<Event> {
    parse(&succeed("aasm", &["events", "--json", "--agent", agent, "-n", "10000"]))
}

fn parse(text: &str) -> Vec<Event> {
    let events = text.lines().filter(|line| line.starts_with('{'));
    events.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

/// The decisions of an agent that were (or would have been) against it, once there are at least so many.
pub(crate) fn denials_of(agent: &str, least: usize) -> Vec<Event> {
    let mut found = Vec::new();
    eventually(ARRIVAL, || {
        found = events_of(agent);
        found.retain(|event| event.kind == Kind::Decision && event.effect != Effect::Allowed);
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
