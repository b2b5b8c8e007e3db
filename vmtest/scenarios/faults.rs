//! What happens to a governed process when the kernel cannot read what it must judge: it is denied. The faults are injected for one agent.

use crate::act::Act;
use crate::guest::{ACT, Guest, file_at, succeed, tiny_at};
use crate::harness::{Checks, Test, tests};
use crate::listeners::{hosts, unix_stream};
use crate::records::denials_of;

pub(crate) const TESTS: &[Test] = tests![
    an_unreadable_path_is_denied,
    an_unreadable_address_is_denied,
    unreadable_arguments_are_denied,
    an_agent_without_a_policy_may_do_nothing,
    a_denial_that_cannot_be_recorded_stays_a_denial,
    an_action_without_working_memory_is_denied,
    where_nobody_answers_an_ask_comes_at_once_to_what_the_policy_says,
];

/// A fault for one agent; none again when dropped.
#[derive(Debug)]
pub(crate) struct Fault;

impl Fault {
    pub(crate) fn inject(name: &str, agent: u32) -> Self {
        succeed("aa-sensord", &["inject", name, &agent.to_string()]);
        Self
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // A test that fails must not disturb the next ones; what this says is seen there.
        let _ = crate::guest::command("aa-sensord", &["inject", "none", "0"]);
    }
}

/// An agent, its number in the kernel, and another agent under the same policy.
fn two_agents(name: &str, body: &str) -> (Act, u32, Act) {
    let mut act = Act::governed(name, body);
    // Rules of every body here deny this.
    act.ask("connect 127.0.0.99 1");
    let records = denials_of(&act.agent, 1);
    let id = records
        .first()
        .and_then(|event| event.agent.as_ref())
        .expect("a record that names the agent")
        .id
        .0;
    (act, id, Act::governed(name, body))
}

/// The same lines: EPERM with the fault for the agent, fine for the other agent, and fine when the fault is gone.
fn denied_by(checks: &mut Checks, fault: &str, reason: &str, body: &str, lines: &[String]) {
    let (mut act, id, mut other) = two_agents("fault", body);
    let before = denials_of(&act.agent, 1).len();
    let fine = |answer: &str| answer.starts_with("ok");
    let injected = Fault::inject(fault, id);
    for line in lines {
        checks.equal(format!("{fault}: {line}"), &act.ask(line).as_str(), &"errno EPERM");
        let answer = other.ask(line);
        checks.that(fine(&answer), || {
            format!("{fault}: `{line}` of another agent: {answer}")
        });
    }
    drop(injected);
    for line in lines {
        let answer = act.ask(line);
        checks.that(fine(&answer), || format!("after {fault}: `{line}`: {answer}"));
    }
    let records = denials_of(&act.agent, before + lines.len());
    checks.equal(format!("{fault}: records"), &(records.len() - before), &lines.len());
    for record in records.iter().skip(before) {
        checks.equal(
            format!("{fault}: reason"),
            &record.reason.as_ref().map(|reason| reason.code.as_str()),
            &Some(reason),
        );
    }
}

fn an_unreadable_path_is_denied(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("unreadable");
    let t = tree.display();
    // One for each agent and line: verdicts already cached are not read again.
    for name in ["read", "write", "map"] {
        file_at(tree.join(name), "x");
    }
    tiny_at(tree.join("prog"));
    let body = "net: {allow: [127.0.0.1, 'unix:/**']}\nexec: {allow: [/**]}\nfile: {read: {allow: [/**]}, write: {allow: [/**]}}\n";
    let lines = [
        format!("open-read {t}/read"),
        format!("open-write {t}/write"),
        format!("mkdir {t}/new-%-"),
        format!("chmod {t}/prog"),
        format!("exec {t}/prog"),
    ];
    // mkdir succeeds once; another action on a name stands for it here.
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("mkdir")).collect();
    denied_by(checks, "path", "unreadable-path", body, &lines);
}

fn an_unreadable_address_is_denied(guest: &Guest, checks: &mut Checks) {
    let [host, six] = hosts(["127.0.0.1", "fd00::1"]);
    let socket = guest.tree("unreadable").join("socket").display().to_string();
    unix_stream(&socket);
    let body = "net: {allow: [127.0.0.1, '[fd00::1]', 'unix:/**']}\n";
    let lines = [
        format!("connect {}", host.words()),
        format!("connect {}", six.words()),
        format!("connect-udp {}", host.words()),
        format!("sendto-udp {}", host.words()),
        format!("tfo {}", host.words()),
        format!("unix-connect {socket}"),
        "bind 127.0.0.1 6300".to_owned(),
    ];
    denied_by(checks, "address", "unreadable-address", body, &lines);
}

fn unreadable_arguments_are_denied(guest: &Guest, checks: &mut Checks) {
    let git = tiny_at(guest.tree("unreadable").join("git"));
    let body = format!(
        "net: {{allow: [127.0.0.1]}}\nexec: {{allow: [{ACT}, '{0}'], deny: ['git push ...']}}\n",
        git.display()
    );
    denied_by(
        checks,
        "argv",
        "unreadable-argv",
        &body,
        &[format!("exec {} status", git.display())],
    );
}

fn an_agent_without_a_policy_may_do_nothing(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("no-policy");
    let t = tree.display();
    file_at(tree.join("file"), "x");
    let [host] = hosts(["127.0.0.1"]);
    let body = "net: {allow: [127.0.0.1]}\nexec: {allow: [/**]}\nfile: {read: {allow: [/**]}, write: {allow: [/**]}}\n";
    let lines = [
        format!("open-read {t}/file"),
        format!("open-write {t}/file"),
        format!("chmod {t}/file"),
        format!("connect {}", host.words()),
        format!("sendto-udp {}", host.words()),
        "exec /usr/local/lib/aa-test/tiny".to_owned(),
    ];
    // A socket is refused first, so the network lines are denied there.
    denied_by(checks, "policy", "no-policy", body, &lines);
}

fn a_denial_that_cannot_be_recorded_stays_a_denial(guest: &Guest, checks: &mut Checks) {
    let secret = file_at(guest.tree("unrecorded").join("secret"), "x")
        .display()
        .to_string();
    let body = format!("net: {{allow: [127.0.0.1]}}\nfile: {{read: {{allow: [/**], deny: ['{secret}']}}}}\n");
    let (mut act, id, _other) = two_agents("unrecorded", &body);
    let _fault = Fault::inject("record", id);
    for line in [
        format!("open-read {secret}"),
        "connect 127.0.0.2 1".to_owned(),
        "socket packet raw 0x300".to_owned(),
    ] {
        checks.equal(&line, &act.ask(&line).as_str(), &"errno EPERM");
    }
    let status = succeed("aasm", &["status", "--json"]);
    let status: aa_wire::status::Status = serde_json::from_str(&status).unwrap();
    let losses = status.sensor.map(|sensor| sensor.losses).unwrap_or_default();
    checks.that(format!("{losses:?}").contains("decisions"), || {
        format!("the loss is not counted: {losses:?}")
    });
}

fn an_action_without_working_memory_is_denied(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("scratch");
    let t = tree.display();
    file_at(tree.join("file"), "x");
    tiny_at(tree.join("prog"));
    let body = "net: {allow: [127.0.0.1]}\nexec: {allow: [/**]}\nfile: {read: {allow: [/**]}, write: {allow: [/**]}}\n";
    let (mut act, id, mut other) = two_agents("scratch", body);
    let fault = Fault::inject("scratch", id);
    for line in [
        format!("open-read {t}/file"),
        format!("chmod {t}/file"),
        format!("exec {t}/prog"),
    ] {
        checks.equal(&line, &act.ask(&line).as_str(), &"errno EPERM");
        let answer = other.ask(&line);
        checks.that(answer.starts_with("ok"), || {
            format!("`{line}` of another agent: {answer}")
        });
    }
    drop(fault);
    checks.equal("afterwards", &act.ask(&format!("open-read {t}/file")).as_str(), &"ok");
}

fn where_nobody_answers_an_ask_comes_at_once_to_what_the_policy_says(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("unattended").join("file"), "x")
        .display()
        .to_string();
    for (otherwise, expected) in [("deny", "errno EPERM"), ("allow", "ok")] {
        let body =
            format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\nask: {{within: 1d, otherwise: {otherwise}}}\n");
        let mut act = Act::governed("unattended", &body);
        let _fault = Fault::inject("unattended", act.number());
        let line = format!("open-read {file}");
        checks.equal(otherwise, &act.ask(&line).as_str(), &expected);
        if otherwise == "deny" {
            let denials = denials_of(&act.agent, 1);
            let code = denials[0].reason.as_ref().map(|reason| reason.code.as_str());
            checks.equal("reason", &code, &Some("nobody-answers"));
        }
    }
}
