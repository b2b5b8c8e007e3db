//! Not whether but how often, how long and when: rates, switches, hours.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aa_wire::api::AgentRow;
use aa_wire::event::{Effect, Event, Kind};
use aa_wire::sensor::Switch;

use crate::act::Act;
use crate::crashes::{kill, revive};
use crate::guest::{Guest, eventually, file_at, succeed, tiny_at};
use crate::harness::{Checks, Test, tests};
use crate::holding::{answer, ask_of, events_of};
use crate::listeners::hosts;
use crate::records::denials_of;

pub(crate) const TESTS: &[Test] = tests![
    what_is_more_than_a_rate_allows_is_denied,
    a_rate_fills_up_again,
    what_is_more_than_a_rate_allows_can_be_asked_about,
    a_rule_that_kills_ends_the_whole_agent,
    a_rule_that_suspends_has_the_agent_stand_still_until_it_is_resumed,
    a_person_suspends_and_resumes,
    a_policy_that_is_closed_denies_everything,
];

/// They set the clock, or wait for it.
pub(crate) const LAST: &[Test] = tests![
    hours_begin_while_the_daemon_is_dead,
    a_clock_that_is_set_closes_and_opens_nothing,
];

const SOON: Duration = Duration::from_secs(20);
const BODY: &str =
    "file:\n  read: {default: allow}\n  write: {default: allow}\nexec: {default: allow}\nnet: {default: allow}\n";

/// The codes of the reasons of all denials of this agent, and the rules they cite.
fn reasons(agent: &str, count: usize) -> Vec<(String, String)> {
    let cited = |event: Event| {
        let rule = event.rule.and_then(|rule| rule.text).unwrap_or_default();
        (event.reason.map(|reason| reason.code).unwrap_or_default(), rule)
    };
    denials_of(agent, count).into_iter().map(cited).collect()
}

fn what_is_more_than_a_rate_allows_is_denied(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("rates");
    let t = tree.display();
    let [host] = hosts(["127.0.0.1"]);
    let words = host.words();
    let tiny = tiny_at(tree.join("bin/tiny")).display().to_string();
    for number in 0..8 {
        file_at(tree.join(format!("f{number}")), "x");
    }
    let one_of = |line: &dyn Fn(u32) -> String| (0..3).map(line).collect::<Vec<_>>();
    for (class, lines) in [
        ("unlink", one_of(&|n| format!("unlink {t}/f{n}"))),
        ("create", one_of(&|n| format!("mkdir {t}/d{n}"))),
        ("rename", one_of(&|n| format!("rename {t}/f{} {t}/g{n}", n + 3))),
        ("connect", one_of(&|_| format!("connect {words}"))),
        ("exec", one_of(&|_| format!("exec {tiny}"))),
        ("fork", one_of(&|_| "fork getpid".to_owned())),
    ] {
        let mut act = Act::governed(
            "rates",
            &format!("{BODY}rate: {{{class}: {{over: 2/6h, then: deny}}}}\n"),
        );
        // What ran before the first line counts too: aasm's exec of the program.
        let before = usize::from(class == "exec");
        for (place, line) in lines.iter().enumerate() {
            let got = act.ask(line);
            let denied = got.contains("EPERM");
            checks.that(denied == (place + before >= 2), || {
                format!("{class}, number {place}: {got}")
            });
        }
        let denials = reasons(&act.agent, 1 + before);
        let expected = ("rate".to_owned(), format!("deny: {class} over 2/6h"));
        checks.equal(format!("{class}: records"), &denials, &vec![expected; 1 + before]);
        // What is not of this class is not counted.
        checks.equal("something else", &act.ask("open-read /etc/passwd").as_str(), &"ok");
    }
    // Each agent has buckets of its own, and what only observes takes nothing from anybody.
    let mut act = Act::governed(
        "rates",
        &format!("mode: observe\n{BODY}rate: {{unlink: {{over: 1/6h, then: deny}}}}\n"),
    );
    for number in 6..8 {
        checks.equal("observed", &act.ask(&format!("unlink {t}/f{number}")).as_str(), &"ok");
    }
    let told: Vec<Effect> = denials_of(&act.agent, 1)
        .into_iter()
        .map(|event| event.effect)
        .collect();
    checks.equal("observed: records", &told, &vec![Effect::WouldDeny]);
}

fn a_rate_fills_up_again(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("refill");
    let t = tree.display();
    let mut act = Act::governed(
        "refill",
        &format!("{BODY}rate: {{create: {{over: 2/4s, then: deny}}}}\n"),
    );
    let mut made = 0;
    let begun = std::time::Instant::now();
    for number in 0..40 {
        made += u32::from(act.ask(&format!("mkdir {t}/{number}")) == "ok");
        std::thread::sleep(Duration::from_millis(200));
    }
    // Two at once, then one every two seconds.
    let most = 2 + u32::try_from(begun.elapsed().as_secs() / 2).unwrap();
    checks.that((most - 1..=most + 1).contains(&made), || {
        format!("{made} were made, not {most}")
    });
}

fn what_is_more_than_a_rate_allows_can_be_asked_about(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("rate-ask");
    let t = tree.display();
    for name in ["a", "b", "c"] {
        file_at(tree.join(name), "x");
    }
    let mut act = Act::governed(
        "rate-ask",
        &format!("{BODY}rate: {{unlink: {{over: 1/6h, then: ask}}}}\n"),
    );
    checks.equal("the first", &act.ask(&format!("unlink {t}/a")).as_str(), &"ok");
    for (name, how, expected) in [("b", "approve", "ok"), ("c", "deny", "errno EPERM")] {
        act.tell(&format!("unlink {t}/{name}"));
        let row = ask_of(&act.agent, |_| true);
        checks.contains("which rule", &format!("{row:?}"), "unlink over 1/6h");
        answer(&row, how);
        checks.equal(how, &act.answer().as_str(), &expected);
    }
    checks.that(!tree.join("b").exists() && tree.join("c").exists(), || {
        "not as answered".to_owned()
    });
}

fn row_of(agent: &str) -> Option<AgentRow> {
    let rows: Vec<AgentRow> = serde_json::from_str(&succeed("aasm", &["agents", "--json"])).unwrap();
    rows.into_iter().find(|row| row.name.as_deref() == Some(agent))
}

fn stands(agent: &str, state: Switch) -> bool {
    eventually(SOON, || row_of(agent).is_some_and(|row| row.state == state))
}

/// What the daemon did to an agent, by the log.
fn done(word: &str, detail: &str) -> bool {
    eventually(SOON, || {
        let text = succeed("aasm", &["events", "--json", "-n", "1000"]);
        let mut events = text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
        events.any(|event| {
            let told = event.detail.unwrap_or_default();
            event.kind == Kind::Lifecycle && event.action == word && told.contains(detail)
        })
    })
}

fn a_rule_that_kills_ends_the_whole_agent(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("kill-rule");
    let t = tree.display();
    file_at(tree.join("trap"), "x");
    let body = format!("file:\n  read: {{default: allow, kill: ['{t}/trap']}}\n  write: {{default: allow}}\n");
    let mut act = Act::governed("kill-rule", &body);
    let mut bystander = Act::governed("kill-rule", &body);
    let forked: u32 = act.ask("prefork").trim_start_matches("ok ").parse().unwrap();
    let id = act.number();
    act.tell(&format!("open-read {t}/trap"));
    let agent = act.agent.clone();
    let status = act.end();
    checks.that(!status.success(), || format!("aasm run ended with {status}"));
    let gone = eventually(SOON, || matches!(crate::holding::state(forked), '?' | 'Z'));
    checks.that(gone, || "another process of the agent lives".to_owned());
    let records = denials_of(&agent, 1);
    let told: Vec<_> = records.iter().map(|event| (event.effect, event.verdict)).collect();
    checks.equal(
        "records",
        &told,
        &vec![(Effect::Killed, Some(aa_wire::event::Verdict::Kill))],
    );
    checks.that(done("kill", &format!("agent {id} by a rule")), || {
        "the kill is not in the log".to_owned()
    });
    checks.equal("another agent", &bystander.ask("open-read /etc/passwd").as_str(), &"ok");
}

fn a_rule_that_suspends_has_the_agent_stand_still_until_it_is_resumed(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("suspend-rule");
    let t = tree.display();
    file_at(tree.join("trap"), "x");
    let body = format!("file:\n  read: {{default: allow, suspend: ['{t}/trap']}}\n  write: {{default: allow}}\n");
    let mut act = Act::governed("suspend-rule", &body);
    act.tell(&format!("open-read {t}/trap"));
    checks.that(stands(&act.agent, Switch::Suspended), || {
        "it is not suspended".to_owned()
    });
    let told: Vec<_> = denials_of(&act.agent, 1).iter().map(|event| event.effect).collect();
    checks.equal("records", &told, &vec![Effect::Suspended]);
    checks.that(done("suspend", "by a rule"), || "it is not in the log".to_owned());
    let resumed = succeed("aasm", &["resume", &act.agent]);
    checks.contains("resume", &resumed, "go on");
    checks.equal("the action that did it", &act.answer().as_str(), &"errno EPERM");
    checks.equal("the next", &act.ask("open-read /etc/passwd").as_str(), &"ok");
    checks.that(stands(&act.agent, Switch::Running), || "it does not run".to_owned());
}

fn a_person_suspends_and_resumes(_: &Guest, checks: &mut Checks) {
    let mut act = Act::governed("suspended", BODY);
    checks.equal("before", &act.ask("open-read /etc/passwd").as_str(), &"ok");
    // Its cgroup is entered soon after it began.
    let folder = format!("/sys/fs/cgroup/aa-sensord/agent-{}", act.number());
    let inside = eventually(SOON, || {
        fs::read_to_string(format!("{folder}/cgroup.procs")).is_ok_and(|text| !text.is_empty())
    });
    let text = succeed("aasm", &["suspend", &act.agent]);
    checks.contains("what is said", &text, "aasm resume suspended-");
    checks.that(stands(&act.agent, Switch::Suspended), || {
        "it is not suspended".to_owned()
    });
    if inside {
        let events = fs::read_to_string(format!("{folder}/cgroup.events")).unwrap();
        checks.contains("the cgroup", &events, "frozen 1");
    }
    act.tell("open-read /etc/passwd");
    std::thread::sleep(Duration::from_millis(500));
    succeed("aasm", &["resume", &act.agent]);
    // It was still: nothing of it failed.
    checks.equal("what it did meanwhile", &act.answer().as_str(), &"ok");
    checks.equal("denials", &denials_of(&act.agent, 0).len(), &0);
    succeed("aasm", &["suspend", &act.agent]);
    let killed = succeed("aasm", &["kill", &act.agent]);
    checks.contains("killed while suspended", &killed, "killed");
    checks.that(!act.end().success(), || "it lives".to_owned());
}

/// `HH:MM` so many minutes from now.
fn clock(minutes: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 + minutes;
    format!("{:02}:{:02}", now / 60 % 24, now % 60)
}

/// Open for these minutes from now, and then for two hours not. The minute that runs has
/// twenty seconds left: what is closed from the next one on is open long enough to begin.
fn closing_in(minutes: u64) -> String {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    if second >= 40 {
        std::thread::sleep(Duration::from_secs(60 - second));
    }
    format!(
        "{BODY}hours: {{deny: \"{}-{} UTC\"}}\n",
        clock(minutes),
        clock(minutes + 120)
    )
}

fn a_policy_that_is_closed_denies_everything(_: &Guest, checks: &mut Checks) {
    let [host] = hosts(["127.0.0.1"]);
    let connect = format!("connect {}", host.words());
    let mut open = Act::governed("open", &closing_in(180));
    for line in ["open-read /etc/passwd", "fork getpid", &connect] {
        let got = open.ask(line);
        checks.that(got.starts_with("ok"), || format!("open: {line}: {got}"));
    }
    // Governed while it is closed: it cannot even begin.
    let policy = crate::act::policy_file("closed", &closing_in(0));
    let file = policy.display().to_string();
    let output = crate::guest::command("aasm", &["run", "--policy", &file, "--name", "too-late", "--", "true"]);
    checks.that(!output.status.success(), || "it ran".to_owned());
    let said = crate::guest::said(&output);
    for wanted in ["closed is closed at this time", "(line 8)", "try again in 12"] {
        checks.contains("what the person is told", &said, wanted);
    }
    checks.that(done("govern", "closed is closed"), || "it is not in the log".to_owned());
    // Observed, it is only told.
    let mut act = Act::governed("closed", &format!("mode: observe\n{}", closing_in(0)));
    checks.that(act.ask("fork getpid").starts_with("ok"), || {
        "a fork while observed".to_owned()
    });
    checks.equal(
        "a file while observed",
        &act.ask("open-read /etc/passwd").as_str(),
        &"ok",
    );
    let told = events_of(&act.agent)
        .iter()
        .any(|event| event.effect == Effect::WouldDeny);
    checks.that(told, || "nothing is told of it".to_owned());
}

fn hours_begin_while_the_daemon_is_dead(_: &Guest, checks: &mut Checks) {
    let mut act = Act::governed("dusk", &closing_in(1));
    checks.equal("before", &act.ask("open-read /etc/passwd").as_str(), &"ok");
    kill(&["aa-sensord", "aa-gateway"], checks);
    let closed = eventually(Duration::from_secs(70), || {
        act.ask("open-read /etc/passwd") == "errno EPERM"
    });
    revive();
    checks.that(closed, || "it did not close".to_owned());
    let cited = reasons(&act.agent, 1).into_iter().next().unwrap_or_default();
    checks.equal("why", &cited.0.as_str(), &"hours");
    checks.equal("after", &act.ask("open-read /etc/passwd").as_str(), &"errno EPERM");
}

fn a_clock_that_is_set_closes_and_opens_nothing(_: &Guest, checks: &mut Checks) {
    let mut act = Act::governed("clock", &closing_in(60));
    checks.equal("before", &act.ask("open-read /etc/passwd").as_str(), &"ok");
    succeed("date", &["-s", "+90 minutes"]);
    let closed = eventually(SOON, || act.ask("open-read /etc/passwd") == "errno EPERM");
    checks.that(closed, || "an hour and a half later it is open".to_owned());
    succeed("date", &["-s", "-90 minutes"]);
    std::thread::sleep(Duration::from_secs(7));
    checks.equal("set back", &act.ask("open-read /etc/passwd").as_str(), &"errno EPERM");
}
