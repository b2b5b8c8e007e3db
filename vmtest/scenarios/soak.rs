//! Our processes are killed at random while agents act: nothing is let through, nothing denied without need, no decision
//! lost. For a short while, or as many seconds as `AA_SOAK_SECONDS` says (`make soak`).

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aa_wire::Timestamp;

use crate::act::Act;
use crate::crashes::{kill_those_alive, processes_of, revive, start_again};
use crate::guest::{Guest, command, file_at, said, tiny_at};
use crate::harness::{Checks, Test};
use crate::names::start_resolver;
use crate::records::{denials_of, lost_since};

pub(crate) const TESTS: &[Test] = &[Test::unlimited(
    "random_kills_let_nothing_through_and_lose_no_decision",
    random_kills_let_nothing_through_and_lose_no_decision,
)];

const SHORT: u64 = 40;
/// However long that takes.
const LEAST_KILLS: usize = 5;
/// Denials of one agent that `aasm events` shows at once.
const MOST_DENIALS: u64 = 9_000;
/// Who dies; the last of them most often, because most depends on it.
const VICTIMS: [&[&str]; 5] = [
    &["aa-resolver"],
    &["aa-gateway"],
    &["aa-sensord", "aa-gateway"],
    &["aa-sensord", "aa-gateway", "aa-resolver"],
    &["aa-sensord"],
];

/// Any number below `end`.
fn random(end: u64) -> u64 {
    RandomState::new().hash_one(end) % end
}

/// What an agent did until the end, and what was not as it should be.
#[derive(Default)]
struct Deeds {
    denied: usize,
    allowed: usize,
    wrong: Vec<String>,
}

/// Tries what is denied and what is allowed, `pause` between one round and the next.
fn act_until(end: &AtomicBool, act: &mut Act, denied: &[String], allowed: &[String], pause: Duration) -> Deeds {
    let mut deeds = Deeds::default();
    let begun = Instant::now();
    while !end.load(Ordering::Relaxed) {
        for line in denied {
            deeds.denied += 1;
            let got = act.ask(line);
            if got != "errno EPERM" {
                deeds
                    .wrong
                    .push(format!("after {:?}: `{line}`: {got}", begun.elapsed()));
            }
        }
        for line in allowed {
            deeds.allowed += 1;
            let got = act.ask(line);
            if !got.starts_with("ok") {
                deeds
                    .wrong
                    .push(format!("after {:?}: `{line}`: {got}", begun.elapsed()));
            }
        }
        std::thread::sleep(pause);
    }
    deeds
}

/// Ends the deeds, also where the killing fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills at random for so long. Sometimes the next die before the last are back. How often.
fn kill_for(long: Duration) -> usize {
    let (begun, mut times) = (Instant::now(), 0);
    while begun.elapsed() < long || times < LEAST_KILLS {
        std::thread::sleep(Duration::from_millis(random(3_000)));
        let victims = VICTIMS[usize::try_from(random(VICTIMS.len() as u64)).unwrap()];
        times += kill_those_alive(victims);
        std::thread::sleep(Duration::from_millis(random(1_000)));
        if random(2) == 0 {
            revive();
        } else {
            start_again();
        }
        if processes_of("aa-resolver").is_empty() {
            start_resolver();
        }
    }
    revive();
    times
}

fn random_kills_let_nothing_through_and_lose_no_decision(guest: &Guest, checks: &mut Checks) {
    let seconds = std::env::var("AA_SOAK_SECONDS").map_or(SHORT, |text| text.parse().unwrap());
    let tree = guest.tree("soak");
    let (secret, open) = (file_at(tree.join("secret"), "x"), file_at(tree.join("open"), "x"));
    let body = format!(
        "file:\n  read: {{allow: [/**], deny: ['{}']}}\nnet: {{allow: [127.0.0.1]}}\nexec: {{default: allow}}\n",
        secret.display()
    );
    let denied = ["", "fork ", "double-fork "].map(|how| format!("{how}open-read {}", secret.display()));
    let denied = [denied.as_slice(), &["connect 127.0.0.2 9".to_owned()]].concat();
    let tiny = tiny_at(tree.join("bin/tiny"));
    let allowed = [
        format!("open-read {}", open.display()),
        format!("fork exec {}", tiny.display()),
    ];
    let begun = Timestamp::now();
    let mut acts: Vec<Act> = (0..2).map(|_| Act::governed("soak", &body)).collect();
    let mut busy = Act::governed("soak", &body);
    // Nobody is killed before all are governed.
    for act in acts.iter_mut().chain([&mut busy]) {
        checks.that(act.ask("getpid").starts_with("ok"), || "it does not begin".to_owned());
    }
    let end = AtomicBool::new(false);
    let pause =
        Duration::from_secs(seconds) * u32::try_from(denied.len()).unwrap() / u32::try_from(MOST_DENIALS).unwrap();
    let deeds = std::thread::scope(|scope| {
        let (end, denied, allowed) = (&end, &denied, &allowed);
        let acting: Vec<_> = acts
            .iter_mut()
            .map(|act| scope.spawn(move || act_until(end, act, denied, allowed, pause)))
            .collect();
        let load = scope.spawn(|| act_until(end, &mut busy, &[], allowed, Duration::ZERO));
        let ending = Ending(end);
        let kills = kill_for(Duration::from_secs(seconds));
        drop(ending);
        let deeds: Vec<Deeds> = acting.into_iter().map(|act| act.join().unwrap()).collect();
        let load = load.join().unwrap();
        checks.equal("of who only loads", &load.wrong, &Vec::new());
        println!("   {kills} kills, {} allowed by who only loads", load.allowed);
        deeds
    });
    for (act, deeds) in acts.iter().zip(deeds) {
        println!("   {}: {} denied, {} allowed", act.agent, deeds.denied, deeds.allowed);
        checks.equal(&act.agent, &deeds.wrong, &Vec::new());
        let records = denials_of(&act.agent, deeds.denied);
        let numbers: BTreeSet<_> = records.iter().map(|event| (event.cpu, event.sequence)).collect();
        checks.equal(
            format!("{}: records, and different ones", act.agent),
            &(records.len(), numbers.len()),
            &(deeds.denied, deeds.denied),
        );
    }
    checks.equal("lost", &(lost_since(begun)), &0);
    let intact = command("aasm", &["audit", "verify"]);
    checks.that(intact.status.success(), || said(&intact));
}
