//! The catalogue of attacks (`vmtest/attacks/`), each run against what its class's policy denies and against what that allows.
//!
//! A class has one governed process, which runs each attack in a child. What came of it is judged from outside as well: the denied
//! side is as before, the allowed one is not; and each denial has its record, between the marks that the runner leaves before
//! every attack, so that it is ours and not the file system's or a missing feature's.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aa_wire::event::Event;

use crate::act::Act;
use crate::guest::{Guest, write_program};
use crate::harness::{Checks, Test};
use crate::records::denials_of;

#[path = "../attacks/header.rs"]
mod header;
mod world;

use header::{Attack, Leaves, Twin};
use world::World;

/// Each does very much.
macro_rules! classes {
    ($($function:ident),* $(,)?) => {
        &[$(Test::long(stringify!($function), $function)),*]
    };
}

pub(crate) const TESTS: &[Test] = classes![
    attacks_on_exec_are_stopped_and_their_twins_are_not,
    attacks_on_file_are_stopped_and_their_twins_are_not,
    attacks_on_net_are_stopped_and_their_twins_are_not,
    attacks_on_dns_are_stopped_and_their_twins_are_not,
    attacks_on_identity_are_stopped_and_their_twins_are_not,
    attacks_on_control_are_stopped_and_their_twins_are_not,
    attacks_on_resource_are_stopped_and_their_twins_are_not,
    attacks_by_race_are_stopped_and_their_twins_are_not,
];

const ATTACKS: &str = "/usr/local/lib/aa-test/attacks";

/// A class's policy, and the one of those twins that need another.
macro_rules! class {
    ($function:ident, $name:literal $(, $permitted:literal)?) => {
        fn $function(guest: &Guest, checks: &mut Checks) {
            let permitted: &[&str] = &[$(include_str!(concat!("../attacks/", $name, "/", $permitted)))?];
            attack(
                guest,
                checks,
                $name,
                include_str!(concat!("../attacks/", $name, "/policy.yaml")),
                permitted.first().copied(),
            );
        }
    };
}

class!(
    attacks_on_exec_are_stopped_and_their_twins_are_not,
    "exec",
    "permitted.yaml"
);
class!(attacks_on_file_are_stopped_and_their_twins_are_not, "file");
class!(attacks_on_net_are_stopped_and_their_twins_are_not, "net");
class!(
    attacks_on_dns_are_stopped_and_their_twins_are_not,
    "dns",
    "permitted.yaml"
);
class!(attacks_on_identity_are_stopped_and_their_twins_are_not, "identity");
class!(attacks_on_control_are_stopped_and_their_twins_are_not, "control");
class!(attacks_on_resource_are_stopped_and_their_twins_are_not, "resource");
class!(attacks_by_race_are_stopped_and_their_twins_are_not, "race");

/// Code of an attack that worked, was refused, or cannot be made on this kernel: `attack.h`.
const HAPPENED: &str = "0";
const REFUSED: &str = "1";
const LACKING: &str = "2";

/// What came of one run.
struct Outcome {
    code: String,
    said: String,
    /// What others saw of it.
    seen: bool,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = if self.seen {
            "and others saw it"
        } else {
            "nobody saw anything"
        };
        write!(formatter, "it ended with {}, said {:?}, {seen}", self.code, self.said)
    }
}

fn attack(guest: &Guest, checks: &mut Checks, class: &str, policy: &str, permitted: Option<&str>) {
    write_program(ATTACKS, include_bytes!(concat!(env!("OUT_DIR"), "/attacks"))).unwrap();
    let catalogue = header::all(include_str!(concat!(env!("OUT_DIR"), "/attacks.txt"))).unwrap();
    let catalogue: Vec<Attack> = catalogue.into_iter().filter(|attack| attack.class == class).collect();
    let mut world = World::new(class, &catalogue);
    let mut permitted = permitted.map(|policy| governed_by(class, policy));
    let mut ungoverned = Act::ungoverned_as(ATTACKS);
    // Those that need many rules have a process of their own: a denial is explained from all of them, which takes a while.
    let (few, many): (Vec<_>, Vec<_>) = catalogue.into_iter().partition(|attack| attack.more_rules == 0);
    for group in [few, many] {
        let Some(first) = group.first() else {
            continue;
        };
        let mut governed = governed_by(class, &world.complete(policy, first.more_rules));
        for attack in &group {
            let outcome = world.run(attack, "deny", &mut governed);
            check_denied(checks, attack, &outcome);
            let twin = match attack.twin {
                Twin::OtherObject => &mut governed,
                Twin::Permitted => permitted.as_mut().unwrap(),
                Twin::Ungoverned => &mut ungoverned,
            };
            let outcome = world.run(attack, "allow", twin);
            let name = format!("{class}/{}", attack.name);
            let lacking = guest.expectations.lacking_attacks.contains(&name);
            check_allowed(checks, attack, &outcome, lacking);
        }
        check_records(checks, &group, &governed.agent);
    }
}

fn governed_by(class: &str, policy: &str) -> Act {
    let path = format!("/run/aa-guest-test/attacks-{class}-{}.yaml", crate::guest::unique());
    fs::create_dir_all("/run/aa-guest-test").unwrap();
    fs::write(&path, policy).unwrap();
    Act::running(ATTACKS, Path::new(&path))
}

fn check_denied(checks: &mut Checks, attack: &Attack, outcome: &Outcome) {
    let expected = if attack.stopped.is_ok() { REFUSED } else { HAPPENED };
    let seen = attack.stopped.is_err() && attack.leaves != Leaves::Returns;
    checks.that(outcome.code == expected && outcome.seen == seen, || {
        let (name, what) = (&attack.name, &attack.what);
        match (&attack.stopped, outcome.code == HAPPENED || outcome.seen) {
            (Ok(_), true) => format!("{name} SUCCEEDED ({what}): {outcome}"),
            (Ok(_), false) => format!("{name} is broken: {outcome}"),
            (Err(_), _) => format!("{name} is said not to be stopped: {outcome}"),
        }
    });
}

fn check_allowed(checks: &mut Checks, attack: &Attack, outcome: &Outcome, lacking: bool) {
    let name = &attack.name;
    if lacking {
        checks.that(outcome.code == LACKING, || {
            format!("{name}: this kernel is said to lack it: {outcome}")
        });
        return;
    }
    // What a twin does to a process of its own, nobody else sees.
    let seen = !matches!(attack.leaves, Leaves::Returns | Leaves::Harms);
    checks.that(outcome.code == HAPPENED && outcome.seen == seen, || {
        format!("{name}, where it is allowed: {outcome}")
    });
}

/// The records of each run: those behind its mark.
fn check_records(checks: &mut Checks, catalogue: &[Attack], agent: &str) {
    let own_twins = catalogue
        .iter()
        .filter(|attack| attack.twin == Twin::OtherObject)
        .count();
    let recorded = catalogue.iter().filter(|attack| attack.record.is_some()).count();
    let mut runs: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    let (mut run, mut lookups) = (String::new(), Vec::new());
    for event in denials_of(agent, catalogue.len() + own_twins + recorded) {
        let object = event.object.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(mark) = object.strip_prefix("/srv/attack/mark/") {
            mark.clone_into(&mut run);
            runs.entry(run.clone()).or_default();
        } else if event.action == "lookup" {
            lookups.push(object);
        } else {
            runs.entry(run.clone()).or_default().push(event);
        }
    }
    for attack in catalogue {
        let name = &attack.name;
        let of = |side: &str| {
            let events = runs.get(&format!("{name}-{side}"));
            events.map(|events| events.iter().map(crate::steps::tell).collect::<Vec<_>>())
        };
        let denied = of("deny");
        // The resolver's records come when they come: they bear the attack's name instead.
        let label = name.replace('_', "-");
        let fine = match attack.record.as_deref() {
            Some("lookup") => lookups.iter().any(|lookup| lookup.contains(&label)),
            Some(action) => denied
                .as_ref()
                .is_some_and(|events| events.iter().any(|event| event.starts_with(&format!("{action} ")))),
            None => denied.is_some(),
        };
        checks.that(fine, || {
            format!("{name}: no record as `{:?}` among {denied:?}", attack.record)
        });
        if attack.twin == Twin::OtherObject {
            let allowed = of("allow");
            checks.that(allowed.as_ref().is_some_and(Vec::is_empty), || {
                format!("{name}, where it is allowed, left {allowed:?}")
            });
        }
    }
}

/// Somebody else's process.
struct Victim {
    child: Child,
    word: String,
}

impl Victim {
    fn start() -> Self {
        let mut child = Command::new(ATTACKS)
            .arg("victim")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut word)
            .unwrap();
        let word = word.trim().to_owned();
        Self { child, word }
    }

    /// Whether it lives, and how.
    fn condition(&self) -> String {
        let of = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default();
        let stat = of("stat");
        let fields: Vec<&str> = stat.split(' ').collect();
        let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
        // Awake, asleep, waiting for a page: all the same.
        let state = field(3).replace(['R', 'D', 'I'], "S");
        let status = of("status");
        let tracer = status.lines().find(|line| line.starts_with("TracerPid"));
        let cpus = status.lines().find(|line| line.starts_with("Cpus_allowed:"));
        let scheduling = (state, field(19), field(40), field(41));
        format!(
            "{scheduling:?} {tracer:?} {cpus:?} {} {:?}",
            of("limits"),
            self.word_now()
        )
    }

    fn word_now(&self) -> Option<u64> {
        use std::os::unix::fs::FileExt;
        let at = u64::from_str_radix(self.word.trim_start_matches("0x"), 16).ok()?;
        let mut bytes = [0; 8];
        let memory = fs::File::open(format!("/proc/{}/mem", self.child.id())).ok()?;
        memory.read_exact_at(&mut bytes, at).ok()?;
        Some(u64::from_le_bytes(bytes))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
