//! Who is governed: children of every kind, programs found by selectors, and what ran before.

use std::fs;
use std::path::PathBuf;

use crate::act::Act;
use crate::guest::{ACT, Guest, PROGRAMS, file_at, succeed};
use crate::harness::{Checks, Test, tests};
use crate::steps::{deny, enforce, gives, judge};

pub(crate) const TESTS: &[Test] = tests![
    children_threads_and_orphans_are_governed,
    another_cgroup_or_namespace_loses_nothing,
    another_program_user_or_name_loses_nothing,
    what_ran_before_a_policy_came_is_governed_with_its_threads_and_children,
    a_new_run_of_a_selected_program_is_governed,
    an_agent_that_ended_leaves_nobody,
];

fn secret(guest: &Guest) -> (PathBuf, String) {
    let secret = file_at(guest.tree("secret").join("secret"), "x");
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    (secret, body)
}

fn children_threads_and_orphans_are_governed(guest: &Guest, checks: &mut Checks) {
    let (secret, body) = secret(guest);
    let secret = secret.display();
    let mut steps = Vec::new();
    for how in [
        "fork",
        "vfork",
        "thread",
        "double-fork",
        "fork fork",
        "double-fork double-fork",
        "fork thread",
        "thread fork",
    ] {
        steps.push(deny(format!("{how} open-read {secret}"), "open-read"));
        steps.push(gives(format!("{how} open-read /etc/passwd"), "ok"));
    }
    judge(checks, "children", &body, || {}, &steps);
}

fn another_cgroup_or_namespace_loses_nothing(guest: &Guest, checks: &mut Checks) {
    let (secret, body) = secret(guest);
    let secret = secret.display();
    let cgroup = PathBuf::from(format!("/sys/fs/cgroup/aa-guest-test-{}", crate::guest::unique()));
    fs::create_dir(&cgroup).unwrap();
    let cgroup = cgroup.display();
    let mut steps = vec![
        deny(format!("cgroup {cgroup} open-read {secret}"), "open-read"),
        deny(format!("clone-into-cgroup {cgroup} open-read {secret}"), "open-read"),
        gives(format!("cgroup {cgroup} open-read /etc/passwd"), "ok"),
    ];
    for namespace in ["mnt", "net", "pid", "uts", "ipc", "ns-cgroup"] {
        steps.push(deny(format!("unshare {namespace} open-read {secret}"), "open-read"));
        steps.push(gives(format!("unshare {namespace} open-read /etc/passwd"), "ok"));
    }
    for namespace in ["mnt", "net", "pid"] {
        steps.push(deny(format!("clone-new {namespace} open-read {secret}"), "open-read"));
    }
    judge(checks, "elsewhere", &body, || {}, &steps);
}

fn another_program_user_or_name_loses_nothing(guest: &Guest, checks: &mut Checks) {
    let (secret, body) = secret(guest);
    let secret = secret.display();
    let mut act = Act::governed("others", &body);
    for line in [
        format!("exec {ACT} open-read {secret}"),
        format!("double-fork exec {ACT} open-read {secret}"),
        format!("exec /bin/sh -c exec%20{ACT}%20open-read%20{secret}"),
        format!("memfd-exec {ACT} open-read {secret}"),
    ] {
        let answer = act.ask(&line);
        checks.equal(&line, &answer.as_str(), &"ok 0 errno EPERM");
    }
    let steps = [
        gives("prctl-name apt-get", "ok"),
        deny(format!("open-read {secret}"), "open-read"),
        deny(format!("as-user 1000 open-read {secret}"), "open-read"),
    ];
    enforce(checks, "others", &body, || {}, &steps);
}

/// Applies a policy that governs a program by its path; the program, a copy of act.
fn selected(name: &str, body: &str, before: impl FnOnce(&str)) -> String {
    let program = format!("{PROGRAMS}/{name}");
    fs::copy(ACT, &program).unwrap();
    before(&program);
    let text = format!("policy: {name}\nversion: 1\ngoverns: [{{exec: {program}}}]\n{body}");
    let file = file_at(format!("/run/aa-guest-test/{name}.yaml"), &text);
    succeed("aasm", &["policy", "apply", &file.display().to_string()]);
    program
}

fn what_ran_before_a_policy_came_is_governed_with_its_threads_and_children(guest: &Guest, checks: &mut Checks) {
    let (secret, body) = secret(guest);
    let secret = secret.display();
    let mut running = None;
    let mut other = Act::ungoverned();
    selected("ran-before", &body, |program| {
        let mut act = Act::ungoverned_as(program);
        checks.that(act.ask("prefork").starts_with("ok"), || "no child".to_owned());
        checks.equal("thread", &act.ask("prethread").as_str(), &"ok");
        for line in [
            format!("open-read {secret}"),
            format!("child open-read {secret}"),
            format!("in-thread open-read {secret}"),
        ] {
            checks.equal(format!("before the policy: {line}"), &act.ask(&line).as_str(), &"ok");
        }
        running = Some(act);
    });
    let mut act = running.unwrap();
    for who in ["", "child ", "in-thread ", "child fork ", "fork ", "child thread "] {
        let answer = act.ask(&format!("{who}open-read {secret}"));
        checks.equal(format!("after it: {who}"), &answer.as_str(), &"errno EPERM");
        checks.equal(
            format!("after it, allowed: {who}"),
            &act.ask(&format!("{who}open-read /etc/passwd")).as_str(),
            &"ok",
        );
    }
    checks.equal(
        "another program",
        &other.ask(&format!("open-read {secret}")).as_str(),
        &"ok",
    );
}

fn a_new_run_of_a_selected_program_is_governed(guest: &Guest, checks: &mut Checks) {
    let (secret, body) = secret(guest);
    let secret = secret.display();
    let program = selected("selected", &body, |_| {});
    let mut act = Act::ungoverned_as(&program);
    checks.equal(
        "started directly",
        &act.ask(&format!("open-read {secret}")).as_str(),
        &"errno EPERM",
    );
    checks.equal(
        "its child",
        &act.ask(&format!("fork open-read {secret}")).as_str(),
        &"errno EPERM",
    );
    // It stays governed as another program, and by a symbolic link it is the same program.
    checks.equal(
        "its next program",
        &act.ask(&format!("exec {ACT} open-read {secret}")).as_str(),
        &"ok 0 errno EPERM",
    );
    let link = guest.tree("selected").join("link");
    std::os::unix::fs::symlink(&program, &link).unwrap();
    let mut linked = Act::ungoverned_as(&link.display().to_string());
    checks.equal(
        "started by a link",
        &linked.ask(&format!("open-read {secret}")).as_str(),
        &"errno EPERM",
    );
    let answer = succeed("sh", &["-c", &format!("{program} open-read {secret}")]);
    checks.equal("started by a shell", &answer.as_str(), &"errno EPERM\n");
    let agents = succeed("aasm", &["agents", "--json"]);
    checks.contains("aasm agents", &agents, "selected");
}

fn an_agent_that_ended_leaves_nobody(_: &Guest, checks: &mut Checks) {
    let mut act = Act::governed("ended", "file:\n  read: {default: allow}\n");
    let agent = act.agent.clone();
    checks.that(act.ask("getpid").starts_with("ok"), || "it does not run".to_owned());
    checks.contains("while it runs", &succeed("aasm", &["agents", "--json"]), &agent);
    checks.that(act.end().success(), || "aasm run passes on the exit status".to_owned());
    let gone = crate::guest::eventually(std::time::Duration::from_secs(5), || {
        !succeed("aasm", &["agents", "--json"]).contains(&agent)
    });
    checks.that(gone, || "an agent without processes is still listed".to_owned());
}
