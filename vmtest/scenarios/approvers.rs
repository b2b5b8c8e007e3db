//! Who answers what is asked: nobody who is governed, nobody else than the policy names, and two people where it is grave.

use aa_wire::event::Kind;

use crate::act::{Act, policy_file};
use crate::guest::{Guest, command, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::holding::{answer, answered, ask_of, events_of, state, waiting_of};

pub(crate) const TESTS: &[Test] = tests![
    nobody_who_is_governed_and_nobody_else_than_named_answers,
    what_is_grave_waits_for_a_second_person,
];

fn nobody_who_is_governed_and_nobody_else_than_named_answers(guest: &Guest, checks: &mut Checks) {
    let file = file_at(guest.tree("who").join("file"), "x").display().to_string();
    let line = format!("open-read {file}");
    let body = |approvers: &str| {
        format!("file:\n  read: {{allow: [/**], ask: ['{file}']}}\nnet: {{default: allow}}\n{approvers}")
    };
    let mut act = Act::governed("who", &body(""));
    act.tell(&line);
    let row = ask_of(&act.agent, |_| true);
    let id = row.id.to_string();
    // Itself cannot, being stopped; another agent whose policy lets it reach every socket may not either.
    let open = policy_file("who-else", "net: {default: allow, allow: ['unix:/**']}\n");
    let open = open.display().to_string();
    for command_line in [
        vec!["aasm", "approvals", "approve", &id],
        vec!["bash", "-c", "setsid aasm approvals approve $0", &id],
        vec!["aasm", "approvals", "list"],
    ] {
        let other = command(
            "aasm",
            &[vec!["run", "--policy", &open, "--"], command_line.clone()].concat(),
        );
        checks.that(!other.status.success(), || {
            format!("{command_line:?} by an agent: {}", said(&other))
        });
    }
    let nobody = command(
        "setpriv",
        &[
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "aasm",
            "approvals",
            "approve",
            &id,
        ],
    );
    checks.that(!nobody.status.success(), || format!("nobody: {}", said(&nobody)));
    checks.equal("still waiting", &waiting_of(&act.agent).len(), &1);
    answer(&row, "approve");
    checks.equal("root's answer", &act.answer().as_str(), &"ok");

    for (approvers, mine) in [
        ("user:nobody", false),
        ("group:daemon", false),
        ("user:root", true),
        ("group:0", true),
    ] {
        let mut act = Act::governed("who", &body(&format!("ask: {{approvers: ['{approvers}']}}\n")));
        act.tell(&line);
        let row = ask_of(&act.agent, |_| true);
        let id = row.id.to_string();
        let given = command("aasm", &["approvals", "deny", &id]);
        checks.equal(format!("{approvers}: {}", said(&given)), &given.status.success(), &mine);
        if !mine {
            checks.equal(approvers, &given.status.code(), &Some(77));
            checks.contains("who may", &succeed("aasm", &["approvals", "show", &id]), approvers);
            succeed("aasm", &["kill", &act.agent]);
        }
    }
}

fn what_is_grave_waits_for_a_second_person(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("second");
    let (grave, plain) = (tree.join("grave"), tree.join("plain"));
    let [grave, plain] = [grave, plain].map(|path| file_at(path, "x").display().to_string());
    let body = format!(
        "file:\n  read:\n    allow: [/**]\n    ask: [{{name: '{grave}', risk: critical}}, '{plain}']\nask: {{second_person: high}}\n"
    );
    let mut act = Act::governed("second", &body);
    let answered_once = answered(&mut act, &format!("open-read {plain}"), "approve", checks);
    checks.equal("what is not grave", &answered_once.as_str(), &"ok");
    for (how, ends) in [("approve", "ok"), ("deny", "errno EPERM")] {
        act.tell(&format!("open-read {grave}"));
        let row = ask_of(&act.agent, |_| true);
        checks.equal(
            "how grave",
            &(row.risk.as_deref(), row.second_person),
            &(Some("critical"), true),
        );
        let id = row.id.to_string();
        let first = succeed("aasm", &["approvals", "approve", &id]);
        checks.that(first.contains("waits for a second person"), || first.clone());
        let again = command("aasm", &["approvals", "approve", &id]);
        checks.that(
            !again.status.success() && said(&again).contains("has said yes already"),
            || said(&again),
        );
        checks.that(state(row.pid.0) == 'T', || "one yes lets it go on".to_owned());
        let waiting = waiting_of(&act.agent);
        checks.equal(
            "who said yes",
            &waiting.first().and_then(|row| row.approved_by),
            &Some(0),
        );
        let other = [
            "--reuid=65534",
            "--regid=aa-sensord",
            "--clear-groups",
            "aasm",
            "approvals",
            how,
            &id,
        ];
        succeed("setpriv", &other);
        checks.equal(format!("after the second's {how}"), &act.answer().as_str(), &ends);
    }
    let events = events_of(&act.agent);
    let details = |wanted: &str| {
        let told = events.iter().filter(|event| event.kind == Kind::Approval);
        told.filter(|event| event.detail.as_deref().is_some_and(|detail| detail.contains(wanted)))
            .count()
    };
    checks.equal("first", &details("a second person has to"), &2);
    checks.equal(
        "second",
        &(details("approved by user 65534"), details("denied by user 65534")),
        &(1, 1),
    );
}
