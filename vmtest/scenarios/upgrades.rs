//! Another build of the daemon comes: what was in force stays in force, and who was governed is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::act::Act;
use crate::crashes::{revive, stop};
use crate::guest::{Guest, command, eventually, file_at, said, succeed};
use crate::harness::{Checks, Test};

/// A build that is not the one that is pinned loads all its programs.
pub(crate) const TESTS: &[Test] = &[
    Test::long(
        "another_build_takes_over_with_no_action_unjudged",
        another_build_takes_over_with_no_action_unjudged,
    ),
    Test::long(
        "a_build_that_cannot_take_over_does_not_start",
        a_build_that_cannot_take_over_does_not_start,
    ),
];

const PINS: &str = "/sys/fs/bpf/aa-sensord";

fn builds() -> Vec<PathBuf> {
    let entries = fs::read_dir(PINS).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Has what is pinned look like the work of a build of this ABI version and other programs; the folder's new name.
fn make_foreign(abi: Option<&str>) -> PathBuf {
    let builds = builds();
    assert_eq!(builds.len(), 1, "{builds:?}");
    let name = builds[0].file_name().unwrap().to_string_lossy().into_owned();
    let own = name.split_once('-').unwrap().0;
    let foreign = Path::new(PINS).join(format!("{}-0000000000", abi.unwrap_or(own)));
    fs::rename(&builds[0], &foreign).unwrap();
    foreign
}

fn another_build_takes_over_with_no_action_unjudged(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("upgrade");
    let (secret, open) = (file_at(tree.join("secret"), "x"), file_at(tree.join("open"), "x"));
    let (secret, open) = (
        format!("open-read {}", secret.display()),
        format!("open-read {}", open.display()),
    );
    let mut other = Act::governed("upgrade-other", "file: {read: {default: allow}}\n");
    let body = format!(
        "file:\n  read: {{allow: [/**], deny: ['{}']}}\n",
        tree.join("secret").display()
    );
    let mut act = Act::governed("upgrade", &body);
    for act in [&mut act, &mut other] {
        checks.equal("before", &act.ask(&open).as_str(), &"ok");
    }
    stop();
    let foreign = make_foreign(None);
    let done = AtomicBool::new(false);
    let (tried, wrong) = std::thread::scope(|scope| {
        let trying = scope.spawn(|| {
            let (mut tried, mut wrong) = (0_u32, Vec::new());
            while !done.load(Ordering::Relaxed) {
                for (line, expected) in [(&secret, "errno EPERM"), (&open, "ok")] {
                    let answer = act.ask(line);
                    if answer != expected {
                        wrong.push(answer);
                    }
                }
                tried += 1;
                // The start needs the processors too.
                std::thread::sleep(Duration::from_millis(50));
            }
            (tried, wrong)
        });
        // A panic must not leave it trying for ever.
        let back = std::panic::catch_unwind(revive);
        done.store(true, Ordering::Relaxed);
        let tried = trying.join().unwrap();
        back.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        tried
    });
    checks.that(tried > 10, || format!("only {tried} tried"));
    checks.equal("misjudged meanwhile", &wrong, &Vec::<String>::new());
    checks.that(!foreign.exists() && builds().len() == 1, || format!("{:?}", builds()));
    checks.equal("after", &act.ask(&format!("fork {secret}")).as_str(), &"errno EPERM");
    // What comes next takes nobody's place.
    let mut next = Act::governed("upgrade-next", "file: {read: {deny: [/**]}}\n");
    checks.equal("the next", &next.ask(&open).as_str(), &"errno EPERM");
    checks.equal("the first", &act.ask(&open).as_str(), &"ok");
    let agents = succeed("aasm", &["agents"]);
    for name in [&act.agent, &other.agent, &next.agent] {
        checks.contains("agents", &agents, name);
    }
}

fn a_build_that_cannot_take_over_does_not_start(guest: &Guest, checks: &mut Checks) {
    let secret = file_at(guest.tree("foreign").join("secret"), "x");
    let line = format!("open-read {}", secret.display());
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    let mut act = Act::governed("foreign", &body);
    checks.equal("before", &act.ask(&line).as_str(), &"errno EPERM");
    stop();
    let foreign = make_foreign(Some("1"));
    let refused = command("aa-sensord", &[]);
    checks.equal("exit status", &refused.status.code(), &Some(69));
    checks.contains("what it says", &said(&refused), "AA-K006");
    checks.equal("still in force", &act.ask(&line).as_str(), &"errno EPERM");
    act.end();
    let gone = || fs::read(foreign.join("tasks/list_governed")).is_ok_and(|rows| rows.is_empty());
    checks.that(eventually(Duration::from_secs(30), gone), || {
        "somebody is still governed".to_owned()
    });
    revive();
    checks.that(!foreign.exists() && builds().len() == 1, || format!("{:?}", builds()));
    let mut act = Act::governed("foreign", &body);
    checks.equal("in force again", &act.ask(&line).as_str(), &"errno EPERM");
}
