//! Programs told by what is in them: `sha256:`.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aa_policy::ContentHash;
use aa_wire::Event;
use aa_wire::event::Effect;
use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};

use crate::act::{Act, policy_file};
use crate::crashes::processes_of;
use crate::faults::Fault;
use crate::guest::{ACT, Guest, command, eventually, said, script_at, succeed, tiny_at, write_program};
use crate::harness::{Checks, Test, tests};
use crate::holding::{events_of, signal, state};
use crate::steps::{allow, deny, enforce_on, observe};

pub(crate) const TESTS: &[Test] = tests![
    programs_are_judged_by_what_is_in_them,
    what_was_written_to_is_read_again,
    what_the_sensor_read_is_read_again,
    nothing_runs_that_is_written_meanwhile,
    a_name_that_leads_elsewhere_by_now_is_not_opened,
    what_cannot_be_read_is_allowed_by_no_hash,
];

/// Where only the first of them can be had: see `judges_content` in the sensor.
pub(crate) const WITHOUT: &[Test] = tests![a_policy_that_asks_for_hashes_is_refused_or_does_without];

/// By whom a program is read: by the kernel, or, where that does not, by the sensor. Each is the fault that makes it so.
const READERS: [&str; 2] = ["none", "content"];

/// How often the agent waited for a program to be read.
fn waited(act: &Act) -> usize {
    let events = events_of(&act.agent);
    let of_content = |event: &&Event| {
        let reason = event.reason.as_ref();
        event.effect == Effect::Held && reason.is_some_and(|reason| reason.code == "unreadable-content")
    };
    events.iter().filter(of_content).count()
}

fn hash(file: &Path) -> String {
    let digest = Sha256::digest(fs::read(file).unwrap());
    ContentHash(digest.into()).to_string()
}

/// The tiny program, and something behind it that never runs.
fn tiny_and(path: PathBuf, more: &str) -> PathBuf {
    let mut bytes = fs::read(tiny_at(&path)).unwrap();
    bytes.extend_from_slice(more.as_bytes());
    write_program(&path, &bytes).unwrap();
    path
}

fn programs_are_judged_by_what_is_in_them(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("contents");
    let t = tree.display();
    let listed = tiny_at(tree.join("listed"));
    let denied = tiny_and(tree.join("ok/denied"), "denied");
    let script = script_at(tree.join("script"), &format!("#!{t}/listed\n"));
    let body = format!(
        "exec:\n  allow: [{ACT}, '{t}/ok/**', '{}', '{}']\n  deny: ['{}']\n",
        hash(&listed),
        hash(&script),
        hash(&denied)
    );
    let prepare = || {
        tiny_at(tree.join("copy"));
        tiny_at(tree.join("gone"));
        tiny_and(tree.join("other"), "x");
        tiny_and(tree.join("ok/other"), "x");
        tiny_and(tree.join("copy-of-denied"), "denied");
        script_at(tree.join("other-script"), &format!("#!{t}/listed \n"));
        script_at(tree.join("ok/script-of-denied"), &format!("#!{t}/ok/denied\n"));
    };
    let steps = [
        allow(format!("exec {t}/listed")),
        allow(format!("exec {t}/copy")),
        allow(format!("exec-proc-fd {t}/copy")),
        allow(format!("execveat-descriptor {t}/copy")),
        deny(format!("exec {t}/other"), "exec"),
        allow(format!("exec {t}/ok/other")),
        deny(format!("exec {t}/ok/denied"), "exec"),
        deny(format!("exec {t}/copy-of-denied"), "exec"),
        allow(format!("exec {t}/script")),
        deny(format!("exec {t}/other-script"), "exec"),
        deny(format!("exec {t}/ok/script-of-denied"), "exec"),
        // What has no name is not allowed by what is in it.
        deny("memfd-tiny listed", "exec"),
        deny(format!("deleted-exec {t}/gone"), "exec"),
    ];
    for reader in READERS {
        prepare();
        tiny_at(&listed);
        let mut act = Act::governed("contents", &body);
        let _fault = Fault::inject(reader, act.number());
        enforce_on(checks, &mut act, &steps);
        checks.equal(
            format!("waits, reader {reader}"),
            &(waited(&act) > 0),
            &(reader == "content"),
        );
    }
    observe(checks, "contents", &body, prepare, &steps);
}

const TO_EXIT_WITH_0: [u8; 2] = [0x31, 0xff];
const TO_EXIT_WITH_60: [u8; 2] = [0x89, 0xc7];

/// Ways to change the last byte of a file, or what follows it.
const CHANGES: [(&str, &str); 7] = [
    ("written in place", "f = os.open(p, os.O_WRONLY); os.pwrite(f, b'x', n)"),
    (
        "appended to",
        "f = os.open(p, os.O_WRONLY | os.O_APPEND); os.write(f, b'x')",
    ),
    (
        "written anew",
        "b = open(p, 'rb').read(); open(p, 'wb').write(b + b'x')",
    ),
    (
        "mapped and stored to, its descriptor closed",
        "f = os.open(p, os.O_RDWR); m = mmap.mmap(f, 0); os.close(f); m[n - 1] = m[n - 1] ^ 1; m.close()",
    ),
    ("made shorter", "os.truncate(p, n - 1)"),
    (
        "copied into",
        "open(p + '.b', 'wb').write(b'x'); f = os.open(p, os.O_WRONLY); os.copy_file_range(os.open(p + '.b', os.O_RDONLY), f, 1, 0, n)",
    ),
    (
        "replaced",
        "b = open(p, 'rb').read(); open(p + '.n', 'wb').write(b + b'x'); os.chmod(p + '.n', 0o755); os.rename(p + '.n', p)",
    ),
];

/// By whom nobody governs, and by who is governed.
fn what_was_written_to_is_read_again(guest: &Guest, checks: &mut Checks) {
    is_read_again(guest, checks, "none", &[false, true]);
}

fn what_the_sensor_read_is_read_again(guest: &Guest, checks: &mut Checks) {
    is_read_again(guest, checks, "content", &[false]);
}

fn is_read_again(guest: &Guest, checks: &mut Checks, reader: &str, by_governed: &[bool]) {
    let tree = guest.tree("changed");
    let program = tiny_at(tree.join("program"));
    let body = format!("exec: {{allow: [{ACT}, '/usr/**', '{}']}}\n", hash(&program));
    let mut act = Act::governed("changed", &body);
    let run = format!("exec {}", program.display());
    let _fault = Fault::inject(reader, act.number());
    for (how, change) in CHANGES {
        for governed in by_governed {
            checks.equal(how, &act.ask(&run).as_str(), &"ok 0 ");
            let script = tree.join("change.py");
            let text = format!(
                "import mmap, os\np = '{}'\nn = os.path.getsize(p)\n{change}\n",
                program.display()
            );
            fs::write(&script, text).unwrap();
            if *governed {
                let told = act.ask(&format!("exec /usr/bin/python3 {}", script.display()));
                checks.equal(how, &told.as_str(), &"ok 0 ");
            } else {
                succeed("python3", &[&script.display().to_string()]);
            }
            checks.that(act.ask(&run) == "errno EPERM", || format!("{how}: it runs"));
            tiny_at(&program);
        }
    }
}

/// Somebody writes without a pause while the program is started again and again: it is either what is listed or does not run.
fn nothing_runs_that_is_written_meanwhile(guest: &Guest, checks: &mut Checks) {
    let program = tiny_at(guest.tree("meanwhile").join("program"));
    let bytes = fs::read(&program).unwrap();
    let place = bytes.windows(2).position(|two| two == TO_EXIT_WITH_0).unwrap();
    let body = format!("exec: {{allow: [{ACT}, '{}']}}\n", hash(&program));
    let run = format!("exec {}", program.display());
    let pauses = [Duration::ZERO, Duration::from_millis(2)];
    for ((reader, rounds), pause) in READERS.into_iter().zip([300, 40]).zip(pauses) {
        tiny_at(&program);
        let mut act = Act::governed("meanwhile", &body);
        let _fault = Fault::inject(reader, act.number());
        checks.equal("before", &act.ask(&run).as_str(), &"ok 0 ");
        let answers = started_while_written(&mut act, &run, &program, place as u64, (rounds, pause));
        let count = |answer: &str| answers.iter().filter(|told| *told == answer).count();
        let (ran, denied, busy) = (count("ok 0 "), count("errno EPERM"), count("errno ETXTBSY"));
        checks.that(ran + denied + busy == answers.len(), || {
            format!("{reader}: {ran} ran, {denied} denied, {busy} busy, and {answers:?}")
        });
        // The sensor is slow beside the writer: it may never have read what was still there.
        checks.that(denied > 0 && (ran > 0 || reader == "content"), || {
            format!("{reader}: the test shows nothing: {ran} ran, {denied} denied, {busy} busy")
        });
    }
}

/// What comes of it, start by start. The writer pauses so long between two writes.
fn started_while_written(
    act: &mut Act,
    run: &str,
    program: &Path,
    place: u64,
    (rounds, pause): (usize, Duration),
) -> Vec<String> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_u64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let code = if round % 2 == 0 {
                    TO_EXIT_WITH_60
                } else {
                    TO_EXIT_WITH_0
                };
                // Refused while it runs.
                if let Ok(file) = OpenOptions::new().write(true).open(program) {
                    file.write_all_at(&code, place).unwrap();
                }
                thread::yield_now();
                thread::sleep(pause);
            }
        });
        let answers = (0..rounds).map(|_| act.ask(run)).collect();
        done.store(true, Ordering::Relaxed);
        answers
    })
}

/// The sensor has one loop: who had it open what never ends would stop it.
fn a_name_that_leads_elsewhere_by_now_is_not_opened(guest: &Guest, checks: &mut Checks) {
    let never_ends = Path::new("/sys/kernel/tracing/trace_pipe");
    if !never_ends.exists() {
        succeed("mount", &["-t", "tracefs", "tracefs", "/sys/kernel/tracing"]);
    }
    let program = tiny_at(guest.tree("elsewhere").join("program"));
    let body = format!("exec: {{allow: [{ACT}, '{}']}}\n", hash(&program));
    let mut act = Act::governed("elsewhere", &body);
    let _fault = Fault::inject("content", act.number());
    let own: u32 = act.ask("getpid").trim_start_matches("ok ").parse().unwrap();
    let gateway = processes_of("aa-gateway")[0].cast_unsigned();
    signal(gateway, Signal::SIGSTOP);
    act.tell(&format!("exec {}", program.display()));
    let held = eventually(Duration::from_secs(5), || has_stopped_child(own));
    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(never_ends, &program).unwrap();
    signal(gateway, Signal::SIGCONT);
    checks.that(held, || "it was not held".to_owned());
    checks.equal("of what cannot run", &act.answer().as_str(), &"errno EACCES");
    let status = command("aasm", &["status", "--json"]);
    let sensor: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
    checks.that(sensor["sensor"].is_object(), || {
        format!("the sensor does not answer: {}", said(&status))
    });
}

fn has_stopped_child(parent: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let mut children = children.split_whitespace().filter_map(|child| child.parse().ok());
    children.any(|child| state(child) == 'T')
}

/// Larger than what is read at once: nobody can be killed meanwhile.
fn what_cannot_be_read_is_allowed_by_no_hash(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("large");
    let t = tree.display();
    let large = tiny_at(tree.join("ok/large"));
    let file = OpenOptions::new().write(true).open(&large).unwrap();
    file.set_len(513 << 20).unwrap();
    drop(file);
    let zeros = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let run = format!("exec {t}/ok/large");
    let answer = |name: &str, body: String| Act::governed(name, &body).ask(&run);
    let by_path = answer("by-path", format!("exec: {{allow: [{ACT}, '{t}/ok/**', '{zeros}']}}\n"));
    checks.equal("allowed by its path", &by_path.as_str(), &"ok 0 ");
    let denying = format!("exec: {{allow: [{ACT}, '{t}/ok/**'], deny: ['{zeros}']}}\n");
    checks.equal(
        "where a hash denies",
        &answer("by-hash", denying).as_str(),
        &"errno EPERM",
    );
}

fn a_policy_that_asks_for_hashes_is_refused_or_does_without(guest: &Guest, checks: &mut Checks) {
    let program = tiny_at(guest.tree("without").join("program"));
    let exec = format!("exec: {{allow: [{ACT}, /usr/bin/true, '{}']}}\n", hash(&program));
    let run = |body: String| {
        let policy = policy_file("without", &body).display().to_string();
        command("aasm", &["run", "--policy", &policy, "--", "true"])
    };
    let refused = run(exec.clone());
    let told = said(&refused);
    checks.that(!refused.status.success() && told.contains("not judged"), || {
        told.clone()
    });
    let degraded = run(format!("on_gap: degrade\n{exec}"));
    let told = said(&degraded);
    checks.that(degraded.status.success() && told.contains("not carried out"), || {
        told.clone()
    });
    let mut act = Act::governed("without", &format!("on_gap: degrade\n{exec}"));
    checks.equal(
        "what only a hash allows",
        &act.ask(&format!("exec {}", program.display())).as_str(),
        &"errno EPERM",
    );
    checks.equal("what a path allows", &act.ask("exec /usr/bin/true").as_str(), &"ok 0 ");
}
