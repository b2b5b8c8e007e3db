//! Labels: what was read is followed to who sends it, whichever way it goes (`flows.h`), and nobody else is concerned.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aa_wire::event::{Effect, Event};

use crate::act::{Act, policy_file};
use crate::guest::{ACT, Guest, command, eventually, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::holding::{answer, answered, ask_of};
use crate::listeners::{Host, hosts, unix_stream};
use crate::records::ARRIVAL;
use crate::steps::{Step, allow, deny, enforce, observe};

pub(crate) const TESTS: &[Test] = tests![
    labels_stay_with_a_process_and_what_it_starts,
    labels_hold_on_sockets_that_were_connected_before,
    labels_go_with_files,
    labels_go_with_pipes_and_unix_sockets,
    labels_go_with_shared_memory,
    labels_are_recorded_with_what_gave_them_and_cited,
    labels_take_programs_and_files_too,
    labels_are_kept_by_other_names_and_other_agents,
    what_labels_take_a_person_may_give,
];

struct Ground {
    tree: PathBuf,
    host: Host,
    body: String,
}

/// A secret and a plain file, a host that may be reached, a policy that labels the secret.
fn ground(guest: &Guest, taken: &str) -> Ground {
    let tree = guest.tree("labels");
    file_at(tree.join("secret/key"), "x");
    file_at(tree.join("plain/key"), "x");
    let [host] = hosts(["127.0.0.1"]);
    let body = format!(
        "net: {{allow: [127.0.0.1, 'unix:/**']}}
file:
  read: {{allow: [/**]}}
  write: {{allow: [/**]}}
  label: {{secret: ['{}/secret/**']}}
data: {{from: {{secret: {taken}}}}}
",
        tree.display()
    );
    Ground { tree, host, body }
}

/// Runs flows with the secret and with the plain file. Who gets the secret cannot connect; its twin, and whoever gets what
/// is plain, can.
fn flows(guest: &Guest, checks: &mut Checks, names: &[&str]) {
    flows_that_end(guest, checks, names, "EPERM");
}

fn flows_that_end(guest: &Guest, checks: &mut Checks, names: &[&str], with_secret: &str) {
    let ground = ground(guest, "{deny: [net]}");
    let policy = policy_file("flows", &ground.body);
    for (folder, expected) in [("plain", "ok"), ("secret", with_secret)] {
        let prefix = ground.tree.join(format!("{folder}-"));
        // Whoever listens there is nobody's.
        let _outside = unix_stream(&prefix.display().to_string());
        let output = command(
            "aasm",
            &[
                "run",
                "--policy",
                &policy.display().to_string(),
                "--",
                ACT,
                "flow",
                &names.join(","),
                &ground.tree.join(folder).join("key").display().to_string(),
                "127.0.0.1",
                &ground.host.port.to_string(),
                &prefix.display().to_string(),
            ],
        );
        let said = said(&output);
        for name in names {
            let wanted = format!("{name} {expected} ok");
            let got = said.lines().find(|line| line.starts_with(&format!("{name} ")));
            checks.that(got == Some(&wanted), || match got {
                Some(got) => format!("{folder}: expected `{wanted}`, got `{got}`"),
                None => format!("{folder}: expected `{wanted}`, got nothing: {said:?}"),
            });
        }
    }
}

fn labels_stay_with_a_process_and_what_it_starts(guest: &Guest, checks: &mut Checks) {
    let names = [
        "self",
        "fork",
        "exec",
        "thread",
        "thread-exec",
        "vfork",
        "clone-vm",
        "clone-siblings",
        "orphan",
    ];
    flows(guest, checks, &names);
    // What was copied before has nothing of it.
    flows_that_end(guest, checks, &["child-before"], "ok");
    let ground = ground(guest, "{deny: [net]}");
    let mut act = Act::governed("twins", &ground.body);
    let secret = ground.tree.join("secret/key");
    let connect = format!("connect {}", ground.host.words());
    // Who only looks at it, or writes to it, has not read it.
    for line in ["stat", "open-write", "opath-only"] {
        let line = format!("{line} {}", secret.display());
        checks.equal(&line, &act.ask(&line).as_str(), &"ok");
        checks.equal("after that, connecting", &act.ask(&connect).as_str(), &"ok");
    }
}

fn labels_hold_on_sockets_that_were_connected_before(guest: &Guest, checks: &mut Checks) {
    let names = [
        "connected-send",
        "connected-datagram",
        "connected-write",
        "connected-writev",
        "connected-sendmsg",
        "connected-sendfile",
        "connected-splice",
        "unix-outside",
    ];
    flows(guest, checks, &names);
}

fn labels_go_with_files(guest: &Guest, checks: &mut Checks) {
    let names = [
        "file",
        "file-renamed",
        "file-open-before",
        "file-mapped",
        "file-copied",
        "descriptor-shared",
    ];
    flows(guest, checks, &names);
}

fn labels_go_with_pipes_and_unix_sockets(guest: &Guest, checks: &mut Checks) {
    let names = [
        "pipe",
        "pipe-blocked",
        "pipe-splice",
        "pipe-splice-blocked",
        "pipe-vmsplice",
        "pipe-tee",
        "pipe-to-pipe",
        "fifo",
        "stream",
        "stream-blocked",
        "datagram",
        "datagram-blocked",
        "packet",
        "packet-blocked",
        "stream-spliced",
        "named-stream",
        "named-stream-back",
        "passed",
    ];
    flows(guest, checks, &names);
}

fn labels_go_with_shared_memory(guest: &Guest, checks: &mut Checks) {
    let names = [
        "mapping",
        "memfd",
        "file-mapped-written",
        "vm-readv",
        "vm-readv-before",
        "environ",
    ];
    flows(guest, checks, &names);
}

/// All events of an agent, once there is one that holds.
fn events_of(agent: &str, holds: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut found = Vec::new();
    eventually(ARRIVAL, || {
        let text = succeed("aasm", &["events", "--json", "--agent", agent, "-n", "1000"]);
        let lines = text.lines().filter(|line| line.starts_with('{'));
        found = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        found.iter().any(&holds)
    });
    found
}

fn labels_are_recorded_with_what_gave_them_and_cited(guest: &Guest, checks: &mut Checks) {
    let ground = ground(guest, "{deny: [net]}");
    let secret = ground.tree.join("secret/key");
    let mut act = Act::governed("recorded", &ground.body);
    let connect = format!("connect {}", ground.host.words());
    checks.equal("before", &act.ask(&connect).as_str(), &"ok");
    checks.equal(
        "reading",
        &act.ask(&format!("read {}", secret.display())),
        &"ok x".to_owned(),
    );
    checks.equal("after", &act.ask(&connect).as_str(), &"errno EPERM");
    let events = events_of(&act.agent, |event| event.effect == Effect::Denied);
    let labelled = events.iter().find(|event| event.action == "label");
    checks.that(labelled.is_some(), || {
        format!("no event of becoming labelled in {events:?}")
    });
    if let Some(event) = labelled {
        let object = event.object.as_ref().map(ToString::to_string).unwrap_or_default();
        checks.contains("the object", &object, &secret.display().to_string());
        checks.equal("its effect", &event.effect, &Effect::Allowed);
        let rule = event.rule.clone().unwrap();
        checks.equal("its section", &rule.section.as_deref(), &Some("file.label"));
        checks.contains("its rule", rule.text.as_deref().unwrap_or_default(), "label secret: ");
        checks.equal(
            "its reason",
            &event.reason.as_ref().map(|reason| reason.code.as_str()),
            &Some("labelled-name"),
        );
    }
    let denied = events.iter().find(|event| event.effect == Effect::Denied);
    if let Some(event) = denied {
        let rule = event.rule.clone().unwrap();
        checks.equal("the section that denied", &rule.section.as_deref(), &Some("data.from"));
        checks.equal(
            "the rule that denied",
            &rule.text.as_deref(),
            &Some("deny: net carrying secret"),
        );
    }
    // Observed, all of it happens.
    let steps = [
        allow(format!("read {}", secret.display())),
        deny(format!("connect {}", ground.host.words()), "connect"),
    ];
    observe(checks, "observed", &ground.body, || {}, &steps);
}

fn labels_take_programs_and_files_too(guest: &Guest, checks: &mut Checks) {
    let ground = ground(guest, "{deny: [exec, file.write]}");
    let at = |name: &str| ground.tree.join(name).display().to_string();
    let run = format!("exec {ACT} getpid");
    let steps = [
        allow(run.clone()),
        allow(format!("create {}", at("one"))),
        allow(format!("read {}", at("secret/key"))),
        deny(run, "exec"),
        deny(format!("create {}", at("two")), "create"),
        deny(format!("open-write {}", at("plain/key")), "open-write"),
        deny(format!("unlink {}", at("one")), "unlink"),
        deny(format!("rename {} {}", at("one"), at("three")), "rename"),
        allow(format!("connect {}", ground.host.words())),
    ];
    let prepare = || drop(fs::remove_file(ground.tree.join("one")));
    enforce(checks, "taken", &ground.body, prepare, &steps);
}

fn labels_are_kept_by_other_names_and_other_agents(guest: &Guest, checks: &mut Checks) {
    let ground = ground(guest, "{deny: [net]}");
    let at = |name: &str| ground.tree.join(name).display().to_string();
    let connect = || format!("connect {}", ground.host.words());
    let steps: Vec<Step> = vec![
        deny(format!("rename {} {}", at("secret/key"), at("plain/other")), "rename"),
        deny(format!("link {} {}", at("secret/key"), at("plain/other")), "link"),
        deny(format!("rename {} {}", at("secret"), at("public")), "rename"),
        allow(format!("rename {} {}", at("secret/key"), at("secret/other"))),
        allow(format!("rename {} {}", at("secret/other"), at("secret/key"))),
        allow(connect()),
        allow(format!("sendfile {} {}", at("plain/key"), ground.host.words())),
        allow(format!("symlink {} {}", at("secret/key"), at("plain/symlink"))),
        allow(format!("read {}", at("plain/symlink"))),
        deny(connect(), "connect"),
        allow(format!("mmap-shared-write {}", at("plain/key"))),
    ];
    enforce(checks, "names", &ground.body, || {}, &steps);
    // What it wrote, another agent reads, whose policy gives the label to other files; a third has no such label.
    let other = ground.body.replace("/secret/", "/other/");
    let steps = [
        allow(format!("read {}", at("secret/other-key"))),
        allow(connect()),
        allow(format!("read {}", at("plain/key"))),
        deny(connect(), "connect"),
    ];
    file_at(Path::new(&at("secret/other-key")), "x");
    enforce(checks, "others", &other, || {}, &steps);
    let third = other.replace("secret: ", "public: ");
    let steps = [allow(format!("read {}", at("plain/key"))), allow(connect())];
    enforce(checks, "third", &third, || {}, &steps);
}

fn what_labels_take_a_person_may_give(guest: &Guest, checks: &mut Checks) {
    let ground = ground(guest, "{ask: [net, exec, file.write]}");
    let at = |name: &str| ground.tree.join(name).display().to_string();
    let mut act = Act::governed("asking", &ground.body);
    let connect = format!("connect {}", ground.host.words());
    checks.equal("before", &act.ask(&connect).as_str(), &"ok");
    checks.equal(
        "reading",
        &act.ask(&format!("read {}", at("secret/key"))).as_str(),
        &"ok x",
    );
    for line in [
        connect,
        format!("create {}", at("new")),
        format!("unlink {}", at("new")),
        format!("exec {ACT} getpid"),
    ] {
        let got = answered(&mut act, &line, "deny", checks);
        checks.equal(format!("`{line}` after a no"), &got.as_str(), &"errno EPERM");
        let got = answered(&mut act, &line, "approve", checks);
        checks.that(got.starts_with("ok"), || format!("`{line}` after a yes: {got}"));
    }
    let asked = events_of(&act.agent, |event| event.effect == Effect::Held);
    let cited = asked
        .iter()
        .find(|event| event.effect == Effect::Held && event.action == "connect");
    let rule = cited.and_then(|event| event.rule.clone()).and_then(|rule| rule.text);
    checks.equal(
        "the rule that asks",
        &rule.as_deref(),
        &Some("ask: net carrying secret"),
    );
    // On what was connected before, too, where the call can be made again; sendfile cannot.
    let policy = policy_file("asking-connected", &ground.body);
    for (flow, how, expected) in [
        ("connected-send", "approve", "ok"),
        ("connected-write", "approve", "ok"),
        ("connected-writev", "deny", "EPERM"),
        ("connected-sendmsg", "approve", "ok"),
        ("connected-sendfile", "", "EPERM"),
    ] {
        let run = Command::new("aasm")
            .args(["run", "--name", flow, "--policy"])
            .arg(&policy)
            .args(["--", ACT, "flow", flow, &at("secret/key"), "127.0.0.1"])
            .args([ground.host.port.to_string(), at("unused")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if !how.is_empty() {
            answer(&ask_of(flow, |_| true), how);
        }
        let said = said(&run.wait_with_output().unwrap());
        checks.contains(flow, &said, &format!("{flow} {expected} ok"));
    }
}
