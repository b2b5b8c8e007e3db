//! Asks: the caller stops in the system call, a person answers, and the same call goes on or fails.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use aa_wire::api::ApprovalRow;
use aa_wire::event::{Effect, Event, Kind};
use nix::sys::signal::Signal;

use crate::act::{Act, policy_file};
use crate::crashes::{processes_of, revive};
use crate::guest::{ACT, Guest, command, eventually, file_at, said, script_at, succeed, tiny_at};
use crate::harness::{Checks, Test, tests};
use crate::listeners::hosts;

pub(crate) const TESTS: &[Test] = tests![
    the_same_call_goes_on_when_a_person_says_yes,
    a_program_is_asked_about_with_its_arguments_which_no_record_keeps,
    a_refused_call_fails_and_says_so,
    what_nobody_answers_in_time_comes_to_what_the_policy_says,
    an_answer_covers_no_later_call,
    a_stray_continue_only_holds_again,
    changed_arguments_ask_anew,
    each_thread_needs_an_answer_of_its_own,
    threads_that_ask_at_once_all_wait,
    a_shell_sees_a_stopped_job_and_cannot_answer_for_it,
    what_cannot_wait_is_refused,
    a_gateway_that_died_asks_again,
    a_killed_daemon_leaves_it_stopped_and_asks_again,
    an_ask_of_the_dead_is_forgotten,
];

/// How long an ask may take to be seen, or its answer to be felt.
const SOON: Duration = Duration::from_secs(20);

pub(crate) fn all_waiting() -> Vec<ApprovalRow> {
    serde_json::from_str(&succeed("aasm", &["approvals", "list", "--json"])).unwrap()
}

pub(crate) fn waiting_of(agent: &str) -> Vec<ApprovalRow> {
    let mut rows = all_waiting();
    rows.retain(|row| row.agent == agent);
    rows
}

/// The ask of an agent for which this holds, once it is there.
pub(crate) fn ask_of(agent: &str, wanted: impl Fn(&ApprovalRow) -> bool) -> ApprovalRow {
    let mut found = None;
    eventually(SOON, || {
        found = waiting_of(agent).into_iter().find(&wanted);
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("{agent} does not ask: {:?}", all_waiting()))
}

pub(crate) fn answer(row: &ApprovalRow, how: &str) {
    succeed("aasm", &["approvals", how, &row.id.to_string()]);
}

/// The state letter of `/proc/PID/stat`.
pub(crate) fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next())
        .unwrap_or('?')
}

fn stops(pid: u32) -> bool {
    eventually(SOON, || state(pid) == 'T')
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

pub(crate) fn events_of(agent: &str) -> Vec<Event> {
    let text = succeed("aasm", &["events", "--json", "--agent", agent, "-n", "10000"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Begins an action that asks, and gives the answer; what came of it.
pub(crate) fn answered(act: &mut Act, line: &str, how: &str, checks: &mut Checks) -> String {
    act.tell(line);
    let row = ask_of(&act.agent, |_| true);
    checks.that(stops(row.pid.0), || format!("`{line}` does not stop the process"));
    answer(&row, how);
    act.answer()
}

fn the_same_call_goes_on_when_a_person_says_yes(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("yes");
    let t = tree.display();
    let [host] = hosts(["127.0.0.1"]);
    for name in ["read", "both", "trunc", "gone", "old", "linked", "cut", "mode"] {
        file_at(tree.join(name), "x");
    }
    let body = format!(
        "net: {{ask: [127.0.0.0/8]}}\nfile:\n  read: {{allow: [/**], ask: ['{t}/read', '{t}/both']}}\n  write: {{ask: ['{t}/**']}}\n"
    );
    let mut act = Act::governed("yes", &body);
    let lines = [
        format!("connect {}", host.words()),
        format!("connect-udp {}", host.words()),
        format!("tfo {}", host.words()),
        format!("sendto-udp {}", host.words()),
        format!("sendmsg-udp {}", host.words()),
        "bind 127.0.0.1 4711".to_owned(),
        format!("open-read {t}/read"),
        format!("openat2 {t}/read"),
        format!("open-both {t}/both"),
        format!("o-trunc {t}/trunc"),
        format!("create {t}/new"),
        format!("mkdir {t}/directory"),
        format!("rmdir {t}/directory"),
        format!("unlink {t}/gone"),
        format!("rename {t}/old {t}/moved"),
        format!("link {t}/linked {t}/second"),
        format!("symlink nowhere {t}/symbolic"),
        format!("truncate {t}/cut"),
        format!("chmod {t}/mode"),
        format!("chown {t}/mode"),
    ];
    for line in &lines {
        let got = answered(&mut act, line, "approve", checks);
        checks.that(got.starts_with("ok"), || format!("`{line}` after a yes: {got}"));
        checks.equal(format!("`{line}`: still waiting"), &waiting_of(&act.agent).len(), &0);
    }
    checks.that(!tree.join("gone").exists() && tree.join("moved").exists(), || {
        "what was approved did not happen".to_owned()
    });
    checks.equal("connections", &(host.tcp.settled() >= 2), &true);
    checks.equal("datagrams", &host.udp.settled(), &2);
    // One answer, one use.
    let line = format!("open-read {t}/read");
    let got = answered(&mut act, &line, "approve", checks);
    checks.equal("once more", &got.as_str(), &"ok");
    let got = answered(&mut act, &line, "deny", checks);
    checks.equal("and not again", &got.as_str(), &"errno EPERM");
    check_records(&act.agent, lines.len() + 2, checks);
}

/// Each ask is recorded, its answer, and what came of it: about the same action.
fn check_records(agent: &str, asks: usize, checks: &mut Checks) {
    let mut events = Vec::new();
    eventually(SOON, || {
        events = events_of(agent);
        let done =
            |event: &&Event| event.kind == Kind::Decision && event.digest.is_some() && event.effect != Effect::Held;
        events.iter().filter(done).count() >= asks
    });
    let held: Vec<&Event> = events.iter().filter(|event| event.effect == Effect::Held).collect();
    checks.equal("asks recorded", &held.len(), &asks);
    for ask in held {
        let answer = events
            .iter()
            .find(|event| event.about == Some(ask.id) && event.kind == Kind::Approval);
        let digests = answer.map(|answer| (answer.digest.clone(), answer.detail.clone().unwrap_or_default()));
        checks.that(
            digests
                .as_ref()
                .is_some_and(|(digest, detail)| *digest == ask.digest && detail.contains("by user 0")),
            || format!("the answer to {} is recorded as {digests:?}", ask.id),
        );
        let outcome = events.iter().find(|event| {
            event.id > ask.id
                && event.kind == Kind::Decision
                && event.effect != Effect::Held
                && event.digest == ask.digest
        });
        let expected = answer.map(|answer| answer.effect);
        checks.equal(
            format!("what came of {} {}", ask.id, ask.action),
            &outcome.map(|event| event.effect),
            &expected,
        );
    }
}

fn a_program_is_asked_about_with_its_arguments_which_no_record_keeps(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("programs-ask");
    let t = tree.display();
    tiny_at(tree.join("bin/git"));
    script_at(tree.join("bin/script"), &format!("#!{t}/bin/git\n"));
    let body = format!("exec:\n  allow: [{ACT}, '{t}/bin/**']\n  ask: ['git push ...', '{t}/bin/script']\n");
    let mut act = Act::governed("programs-ask", &body);
    act.tell(&format!("exec {t}/bin/git push --token s3cret it%20has%20blanks"));
    let row = ask_of(&act.agent, |_| true);
    checks.equal(
        "shown",
        &row.object,
        &format!("{t}/bin/git push --token s3cret 'it has blanks'"),
    );
    answer(&row, "approve");
    checks.contains("push after a yes", &act.answer(), "ok");
    let got = answered(&mut act, &format!("exec {t}/bin/git push"), "deny", checks);
    checks.equal("push after a no", &got.as_str(), &"errno EPERM");
    let got = answered(&mut act, &format!("exec {t}/bin/script"), "approve", checks);
    checks.contains("a script and its interpreter are one ask", &got, "ok");
    checks.equal(
        "without an ask",
        &act.ask(&format!("exec {t}/bin/git pull")).starts_with("ok"),
        &true,
    );
    let all = succeed("aasm", &["events", "--json", "--agent", &act.agent, "-n", "10000"]);
    checks.that(!all.contains("s3cret"), || "the log has the arguments".to_owned());
}

fn a_refused_call_fails_and_says_so(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("no").join("file"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let mut act = Act::governed("no", &body);
    act.tell(&format!("open-read {file}"));
    let row = ask_of(&act.agent, |_| true);
    let notice = format!("aasm: stopped until somebody answers: open-read {file}");
    checks.that(eventually(SOON, || act.errors().contains(&notice)), || {
        format!("where it was started nothing is said of it: {}", act.errors())
    });
    answer(&row, "deny");
    checks.equal("after a no", &act.answer().as_str(), &"errno EPERM");
    let denials = crate::records::denials_of(&act.agent, 1);
    checks.equal("denials", &denials.len(), &1);
    let why = succeed("aasm", &["why", &denials[0].id.to_string()]);
    checks.contains("why", &why, "the answer was no (refused)");
    checks.contains("why", &why, &format!("ask: {file}"));
    let late = command("aasm", &["approvals", "approve", "1"]);
    checks.contains("an answer to nothing", &said(&late), "nothing waits");
    checks.equal("exit code", &late.status.code(), &Some(1));
}

fn what_nobody_answers_in_time_comes_to_what_the_policy_says(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("late").join("file"), "x").display().to_string();
    for (otherwise, expected, effect) in [
        ("deny", "errno EPERM", Effect::Denied),
        ("allow", "ok", Effect::Allowed),
    ] {
        let body =
            format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\nask: {{within: 1s, otherwise: {otherwise}}}\n");
        let mut act = Act::governed("late", &body);
        checks.equal(otherwise, &act.ask(&format!("open-read {file}")).as_str(), &expected);
        let told = eventually(SOON, || {
            events_of(&act.agent).iter().any(|event| {
                event.effect == effect && event.reason.as_ref().is_some_and(|reason| reason.code == "no-answer")
            })
        });
        checks.that(told, || format!("{otherwise}: that nobody answered is not recorded"));
        checks.equal("nothing waits", &waiting_of(&act.agent).len(), &0);
    }
}

/// Creating covers opening, in the same call: not the open that follows a mknod, nor a create that failed.
fn an_answer_covers_no_later_call(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("later");
    let t = tree.display();
    fs::create_dir(tree.join("full")).unwrap();
    let full = format!("{t}/full");
    succeed("mount", &["-t", "tmpfs", "-o", "nr_inodes=2", "aa-test", &full]);
    file_at(tree.join("full/filler"), "x");
    let mut act = Act::governed("later", &format!("file:\n  write: {{ask: ['{t}/**']}}\n"));
    let got = answered(&mut act, &format!("mknod {t}/node"), "approve", checks);
    checks.equal("mknod", &got.as_str(), &"ok");
    let got = answered(&mut act, &format!("open-write {t}/node"), "deny", checks);
    checks.equal("the open after it", &got.as_str(), &"errno EPERM");
    let got = answered(&mut act, &format!("create {full}/new"), "approve", checks);
    checks.equal("a create without room", &got.as_str(), &"errno ENOSPC");
    fs::remove_file(tree.join("full/filler")).unwrap();
    file_at(tree.join("full/new"), "x");
    std::thread::sleep(Duration::from_secs(1));
    let got = answered(&mut act, &format!("open-write {full}/new"), "deny", checks);
    checks.equal("the open after it", &got.as_str(), &"errno EPERM");
    drop(act);
    succeed("umount", &[&full]);
}

fn a_stray_continue_only_holds_again(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("stray").join("file"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let mut act = Act::governed("stray", &body);
    act.tell(&format!("open-read {file}"));
    let row = ask_of(&act.agent, |_| true);
    for round in 1..=5 {
        checks.that(stops(row.pid.0), || format!("round {round}: not stopped"));
        signal(row.pid.0, Signal::SIGCONT);
        // It ran again when there is one record more.
        let held = eventually(SOON, || {
            events_of(&act.agent)
                .iter()
                .filter(|event| event.effect == Effect::Held)
                .count()
                > round
        });
        checks.that(held, || format!("round {round}: it did not ask again"));
    }
    checks.that(stops(row.pid.0), || "not stopped at last".to_owned());
    let rows = waiting_of(&act.agent);
    checks.equal(
        "one ask, with the deadline it had",
        &rows.as_slice(),
        &[row.clone()].as_slice(),
    );
    answer(&row, "approve");
    checks.equal("at last", &act.answer().as_str(), &"ok");
}

/// The path lies in memory that another process writes to while the caller stands still.
fn changed_arguments_ask_anew(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("changed");
    let (one, other) = (file_at(tree.join("one"), "x"), file_at(tree.join("other"), "x"));
    let (one, other) = (one.display().to_string(), other.display().to_string());
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{}/*']}}\n", tree.display());
    let mut act = Act::governed("changed", &body);
    act.tell(&format!("open-changed {one} {other}"));
    let first = ask_of(&act.agent, |_| true);
    checks.equal("asked about", &first.object, &one);
    // By now it is the other's name.
    std::thread::sleep(Duration::from_secs(4));
    answer(&first, "approve");
    let second = ask_of(&act.agent, |row| row.id != first.id);
    checks.equal("asked about then", &second.object, &other);
    answer(&second, "deny");
    checks.equal("what was not approved", &act.answer().as_str(), &"errno EPERM");
    // A name that leads elsewhere when the answer comes is changed as well.
    let link = tree.join("name");
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let mut act = Act::governed("changed", &body);
    act.tell(&format!("open-read {}", link.display()));
    let first = ask_of(&act.agent, |_| true);
    checks.equal("asked about", &first.object, &one);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    answer(&first, "approve");
    let second = ask_of(&act.agent, |row| row.id != first.id);
    checks.equal("asked about then", &second.object, &other);
    // And another file under the same name is another file.
    fs::rename(&other, tree.join("away")).unwrap();
    file_at(&other, "new");
    answer(&second, "approve");
    let third = ask_of(&act.agent, |row| row.id != second.id);
    checks.equal("asked about at last", &third.object, &other);
    answer(&third, "approve");
    checks.equal("approved at last", &act.answer().as_str(), &"ok");
}

fn each_thread_needs_an_answer_of_its_own(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("threads").join("file"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let mut act = Act::governed("threads", &body);
    act.tell(&format!("open-by-threads {file} 2"));
    let first = ask_of(&act.agent, |_| true);
    checks.that(stops(first.pid.0), || "not stopped".to_owned());
    // Both ask at once, or the second when the first is answered: the whole process stands still.
    answer(&first, "approve");
    let second = ask_of(&act.agent, |row| row.id != first.id);
    checks.equal("the same process", &second.pid, &first.pid);
    checks.equal("the same action", &second.object, &first.object);
    checks.that(stops(second.pid.0), || "not stopped for the second".to_owned());
    answer(&second, "deny");
    checks.equal("one may, the other may not", &act.answer().as_str(), &"ok 1");
}

/// One's stop is another's: the call of each is repeated all the same, and none returns with an error of the kernel's own.
fn threads_that_ask_at_once_all_wait(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("at-once").join("file"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let mut act = Act::governed("at-once", &body);
    for _ in 0..6 {
        act.tell(&format!("open-by-threads {file} 12"));
        let mut approved = 0;
        let all = eventually(SOON, || {
            for row in waiting_of(&act.agent) {
                answer(&row, "approve");
                approved += 1;
            }
            approved >= 12
        });
        checks.that(all, || format!("{approved} of 12 asked"));
        checks.equal("all may", &act.answer().as_str(), &"ok 12");
    }
}

fn a_shell_sees_a_stopped_job_and_cannot_answer_for_it(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("shell");
    let file = file_at(tree.join("file"), "content\n").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let policy = policy_file("shell", &body);
    let script = format!(
        "set -m; cat {file}; echo first=$?; fg %1; echo second=$?; \
         while jobs %1 | grep -q Stopped; do sleep 0.2; done; wait %1; echo third=$?"
    );
    let child = std::process::Command::new("aasm")
        .args(["run", "--name", "shell-job", "--policy"])
        .arg(&policy)
        .args(["--", "bash", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let row = ask_of("shell-job", |_| true);
    // `fg` sends SIGCONT, and the job stops again.
    let twice = eventually(SOON, || {
        events_of("shell-job")
            .iter()
            .filter(|event| event.effect == Effect::Held)
            .count()
            >= 2
    });
    checks.that(twice, || "`fg` did not run it again".to_owned());
    checks.that(stops(row.pid.0), || "not stopped".to_owned());
    answer(&row, "approve");
    let output = child.wait_with_output().unwrap();
    // 128 + SIGSTOP.
    for wanted in ["first=147", "second=147", "content", "third=0"] {
        checks.contains("the shell", &said(&output), wanted);
    }
}

fn what_cannot_wait_is_refused(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("wait").join("file"), "x").display().to_string();
    let [host, other] = hosts(["127.0.0.1", "127.0.0.2"]);
    let body = format!(
        "privileges: {{allow: [io_uring]}}\nfile:\n  read: {{allow: [/**], ask: ['{file}']}}\nnet: {{allow: [127.0.0.2], ask: [127.0.0.1]}}\n"
    );
    let mut act = Act::governed("wait", &body);
    // Requests of io_uring are not repeated.
    for line in [
        format!("uring-openat {file}"),
        format!("uring-connect {}", host.words()),
    ] {
        checks.equal(&line, &act.ask(&line).as_str(), &"errno EPERM");
    }
    let denials = crate::records::denials_of(&act.agent, 2);
    for denial in &denials {
        let code = denial.reason.as_ref().map(|reason| reason.code.as_str());
        checks.equal("reason", &code, &Some("cannot-wait"));
    }
    checks.equal("denials", &denials.len(), &2);
    // An answer for one datagram is none for a later call's.
    let got = answered(&mut act, &format!("sendto-udp {}", host.words()), "approve", checks);
    checks.equal("one datagram", &got.as_str(), &"ok");
    act.tell(&format!("sendmmsg-udp {} 127.0.0.2 127.0.0.1", host.port));
    let rest = eventually(Duration::from_secs(3), || !waiting_of(&act.agent).is_empty());
    if rest {
        answer(&ask_of(&act.agent, |_| true), "deny");
    }
    checks.equal("the first of two", &act.answer().as_str(), &"ok 1");
    checks.equal("datagrams", &host.udp.settled(), &1);
    drop(other);
}

fn kill_all(program: &str) {
    for pid in processes_of(program) {
        // One may end because the other did.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn a_gateway_that_died_asks_again(guest: &Guest, checks: &mut Checks) {
    dies(guest, checks, &["aa-gateway"]);
}

fn a_killed_daemon_leaves_it_stopped_and_asks_again(guest: &Guest, checks: &mut Checks) {
    dies(guest, checks, &["aa-sensord", "aa-gateway"]);
}

fn dies(guest: &Guest, checks: &mut Checks, programs: &[&str]) {
    let file = file_at(guest.tree("dies").join("file"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let mut act = Act::governed("dies", &body);
    act.tell(&format!("open-read {file}"));
    let first = ask_of(&act.agent, |_| true);
    checks.that(stops(first.pid.0), || "not stopped".to_owned());
    for program in programs {
        kill_all(program);
    }
    std::thread::sleep(Duration::from_secs(1));
    checks.equal("stopped while nobody is there", &state(first.pid.0), &'T');
    revive();
    let again = ask_of(&act.agent, |_| true);
    checks.equal("the same process", &again.pid, &first.pid);
    answer(&again, "approve");
    checks.equal("after a yes", &act.answer().as_str(), &"ok");
}

fn an_ask_of_the_dead_is_forgotten(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("dead").join("file"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\n");
    let mut act = Act::governed("dead", &body);
    act.tell(&format!("open-read {file}"));
    let row = ask_of(&act.agent, |_| true);
    signal(row.pid.0, Signal::SIGKILL);
    let gone = eventually(SOON, || waiting_of(&act.agent).is_empty());
    checks.that(gone, || "the ask of a dead process waits".to_owned());
    let told = eventually(SOON, || {
        let ended = |event: &Event| event.detail.as_deref() == Some("the process has ended");
        events_of(&act.agent).iter().any(ended)
    });
    checks.that(told, || "that it ended is not recorded".to_owned());
}
