//! What is told of a denial, and what the daemon shows of itself.

use aa_wire::event::{Event, Object};
use aa_wire::status::ProtectionState;

use crate::act::Act;
use crate::guest::{ACT, Expect, Guest, command, eventually, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::records::{ARRIVAL, denials_of};

pub(crate) const TESTS: &[Test] = tests![
    a_denial_is_recorded_with_all_that_names_it,
    why_says_what_would_allow_it_and_who_asked,
    the_last_line_of_a_run_counts_every_denial,
    status_and_doctor_say_what_is_enforced_and_proven,
    programs_maps_and_links_have_names_a_person_understands,
    hook_programs_are_those_this_kernel_has,
    the_audit_log_is_intact,
    the_audit_log_is_proven_by_what_was_kept_elsewhere,
];

fn a_denial_is_recorded_with_all_that_names_it(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("record");
    let secret = file_at(tree.join("secret"), "x").display().to_string();
    let body = format!(
        "file:\n  read: {{allow: [/**], deny: ['{secret}']}}\nnet: {{allow: [127.0.0.1]}}\nexec: {{allow: [{ACT}], deny: [sudo]}}\n"
    );
    let mut act = Act::governed("recorded", &body);
    let pid = act.ask("getpid").trim_start_matches("ok ").to_owned();
    for line in [
        format!("open-read {secret}"),
        "connect 127.0.0.2 81".to_owned(),
        "exec /usr/bin/sudo -k".to_owned(),
    ] {
        checks.equal(&line, &act.ask(&line).as_str(), &"errno EPERM");
    }
    let records = denials_of(&act.agent, 3);
    checks.equal("records", &records.len(), &3);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Field 22, after the command's name, in ticks of a hundredth of a second.
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.split(' ').nth(19))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    for (record, (action, object, code, rule)) in records.iter().zip([
        (
            "open-read",
            secret.as_str(),
            "rule",
            Some(("file.read", secret.as_str())),
        ),
        ("connect", "127.0.0.2:81/tcp", "default", None),
        ("exec", "/usr/bin/sudo", "rule", Some(("exec", "sudo"))),
    ]) {
        checks.equal("action", &record.action.as_str(), &action);
        checks.equal(
            "object",
            &record.object.as_ref().map(Object::to_string).as_deref(),
            &Some(object),
        );
        checks.equal(
            "reason",
            &record.reason.as_ref().map(|reason| reason.code.as_str()),
            &Some(code),
        );
        let agent = record.agent.as_ref().unwrap();
        checks.equal("agent", &agent.name.as_ref(), &Some(&act.agent));
        checks.that(agent.session.0 != 0, || "no session".to_owned());
        let policy = record.policy.as_ref().unwrap();
        checks.equal(
            "policy",
            &(policy.name.as_deref(), policy.version),
            &(Some("recorded"), Some(3)),
        );
        checks.that(policy.digest.as_ref().is_some_and(|digest| digest.len() >= 64), || {
            format!("digest {:?}", policy.digest)
        });
        check_rule(checks, record, rule);
        check_process(
            checks,
            record,
            &pid,
            ticks,
            if action == "exec" { None } else { Some(&pid) },
        );
    }
}

fn check_rule(checks: &mut Checks, record: &Event, expected: Option<(&str, &str)>) {
    let Some((section, text)) = expected else {
        checks.that(record.rule.is_none(), || {
            format!("a rule where the default decided: {:?}", record.rule)
        });
        return;
    };
    let Some(rule) = &record.rule else {
        return checks.that(false, || format!("no rule in the record of {}", record.action));
    };
    checks.equal("section", &rule.section.as_deref(), &Some(section));
    checks.contains("rule", rule.text.as_deref().unwrap_or_default(), text);
    checks.that(rule.line.is_some_and(|line| line > 2), || {
        format!("line {:?}", rule.line)
    });
    checks.contains("file", rule.file.as_deref().unwrap_or_default(), ".yaml");
}

/// `same`: the process itself; else a child of it.
fn check_process(checks: &mut Checks, record: &Event, pid: &str, ticks: u64, same: Option<&String>) {
    let process = record.process.as_ref().unwrap();
    checks.equal("executable", &process.executable.as_str(), &ACT);
    checks.equal("user", &process.uid, &0);
    checks.that(process.cgroup.0 != 0, || "no cgroup".to_owned());
    if same.is_some() {
        checks.equal("process", &process.pid.to_string().as_str(), &pid);
        let start = process.start_ns / 10_000_000;
        checks.that(start.abs_diff(ticks) <= 1, || {
            format!("start: {start} ticks, /proc says {ticks}")
        });
    } else {
        checks.equal("parent", &process.parent_pid.to_string().as_str(), &pid);
    }
}

fn why_says_what_would_allow_it_and_who_asked(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("why");
    let secret = file_at(tree.join("secret"), "x").display().to_string();
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{secret}']}}\nnet: {{allow: [127.0.0.1]}}\n");
    let mut act = Act::governed("why", &body);
    let lines = [
        (format!("inline-open {secret}"), "act_inline_open", secret.as_str()),
        (
            "inline-connect 127.0.0.2 81".to_owned(),
            "act_inline_connect",
            "127.0.0.2",
        ),
        (
            "thread inline-connect 127.0.0.2 81".to_owned(),
            "thread_main",
            "127.0.0.2",
        ),
    ];
    for (line, _, _) in &lines {
        checks.equal(line, &act.ask(line).as_str(), &"errno EPERM");
    }
    let records = denials_of(&act.agent, lines.len());
    checks.equal("records", &records.len(), &lines.len());
    for (record, (line, function, object)) in records.iter().zip(&lines) {
        checks.that(record.would_allow.is_some(), || {
            format!("{line}: nothing says what would allow it")
        });
        let explained = |checks: &mut Checks| {
            let mut frames = Vec::new();
            let named = eventually(ARRIVAL, || {
                let json = succeed("aasm", &["why", &record.id.to_string(), "--json"]);
                let mut again: Event = serde_json::from_str(&json).unwrap();
                frames = std::mem::replace(&mut again.stack, record.stack.clone());
                checks.equal(format!("{line}: aasm why --json"), &again, record);
                frames.iter().any(|frame| frame.symbol.as_deref() == Some(*function))
            });
            checks.that(named, || format!("{line}: expected {function} in {frames:?}"));
        };
        explained(checks);
        let text = succeed("aasm", &["why", &record.id.to_string()]);
        for wanted in [
            *function,
            *object,
            "why",
            &record.agent.as_ref().unwrap().name.clone().unwrap(),
        ] {
            checks.contains(format!("aasm why: {line}"), &text, wanted);
        }
    }
    let output = command("aasm", &["why", "999999999"]);
    checks.equal("aasm why of nothing", &output.status.code(), &Some(1));
    checks.contains("aasm why of nothing", &said(&output), "hint");
}

fn status_and_doctor_say_what_is_enforced_and_proven(guest: &Guest, checks: &mut Checks) {
    let status: aa_wire::status::Status = serde_json::from_str(&succeed("aasm", &["status", "--json"])).unwrap();
    checks.equal("complaints", &status.complaints, &Vec::new());
    checks.that(status.healthy, || "not healthy".to_owned());
    let sensor = status.sensor.unwrap();
    checks.that(sensor.self_test.len() >= 20, || {
        format!("only {} probes", sensor.self_test.len())
    });
    for row in &sensor.self_test {
        checks.that(row.passed, || {
            format!(
                "the probe {} of {}: expected {}, got {}",
                row.probe, row.hook, row.expected, row.got
            )
        });
    }
    for protection in &sensor.protections {
        let optional = matches!(protection.state, ProtectionState::Optional { .. });
        let missing = guest.expect == Expect::FmodRet && optional;
        checks.that(protection.proven || missing, || format!("{protection:?} is not proven"));
    }
    let text = succeed("aasm", &["status"]);
    checks.contains("aasm status", &text, "enforced");
    let doctor = command("aasm", &["doctor"]);
    checks.equal(
        format!("aasm doctor: {}", said(&doctor)),
        &doctor.status.code(),
        &Some(0),
    );
}

/// The kernel keeps 15 characters of a name.
fn shortened(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}

fn programs_maps_and_links_have_names_a_person_understands(guest: &Guest, checks: &mut Checks) {
    let programs = succeed("bpftool", &["prog", "list"]);
    for name in [
        "judge_open",
        "judge_exec",
        "judge_connect",
        "judge_send",
        "inherit_identity",
        "contain_mount",
        "contain_bpf",
    ] {
        checks.contains("bpftool prog", &programs, shortened(name));
    }
    let maps = succeed("bpftool", &["map", "list"]);
    for name in [
        "identities",
        "policies",
        "address_rules",
        "decisions",
        "activity",
        "policy_slots",
        "agents",
    ] {
        checks.contains("bpftool map", &maps, shortened(name));
    }
    let links = succeed("bpftool", &["link", "list", "-f"]);
    checks.contains("bpftool link", &links, guest.expect.attached().unwrap().1);
    let pins = succeed("find", &["/sys/fs/bpf/aa-sensord"]);
    for name in ["judge_open", "identities"] {
        checks.contains("pins", &pins, name);
    }
}

fn hook_programs_are_those_this_kernel_has(guest: &Guest, checks: &mut Checks) {
    let status: aa_wire::status::Status = serde_json::from_str(&succeed("aasm", &["status", "--json"])).unwrap();
    let names: Vec<String> = status
        .sensor
        .unwrap()
        .programs
        .into_iter()
        .map(|program| program.name)
        .collect();
    let attached = |name: &str| names.iter().any(|other| other == name || other == shortened(name));
    for name in &guest.expectations.present_programs {
        checks.that(attached(name), || format!("{name} is not attached: {names:?}"));
    }
    for name in &guest.expectations.absent_programs {
        checks.that(!attached(name), || format!("{name} is attached"));
    }
    checks.that(attached("judge_open"), || "judge_open is not attached".to_owned());
}

fn the_audit_log_is_intact(_: &Guest, checks: &mut Checks) {
    let output = command("aasm", &["audit", "verify"]);
    checks.equal(
        format!("aasm audit verify: {}", said(&output)),
        &output.status.code(),
        &Some(0),
    );
}

/// With keys and a checkpoint that were taken while the daemon runs; a changed copy is not.
fn the_audit_log_is_proven_by_what_was_kept_elsewhere(guest: &Guest, checks: &mut Checks) {
    let kept = guest.tree("kept");
    let keep = |name: &str, arguments: &[&str]| {
        let text = succeed("aasm", &[&["audit"], arguments].concat());
        file_at(kept.join(name), &text).display().to_string()
    };
    let hmac = keep("hmac", &["key"]);
    let public = keep("public", &["key", "--public"]);
    let mut act = Act::governed("proven", "file: {read: {allow: [/**], deny: [/etc/shadow]}}\n");
    checks.equal("open", &act.ask("open-read /etc/shadow").as_str(), &"errno EPERM");
    let id = denials_of(&act.agent, 1).first().map_or(0, |record| record.id);
    let signed = || {
        succeed("aasm", &["audit", "checkpoint"])
            .lines()
            .nth(1)
            .and_then(|size| size.parse().ok())
    };
    // What the daemon did itself is signed within a second.
    succeed("aasm", &["audit", "key"]);
    let seen = eventually(std::time::Duration::from_secs(20), || {
        signed().is_some_and(|size: u64| size > id)
    });
    checks.that(seen, || format!("no checkpoint is about record {id}"));
    let checkpoint = keep("checkpoint", &["checkpoint"]);
    let proof = keep("proof", &["prove", &id.to_string()]);
    let status: aa_wire::status::Status = serde_json::from_str(&succeed("aasm", &["status", "--json"])).unwrap();
    let directory = status.audit.directory;
    let verify = |directory: &str| {
        let held = [
            "--checkpoint",
            &checkpoint,
            "--public-key",
            &public,
            "--hmac-key",
            &hmac,
        ];
        command("aasm", &[&["audit", "verify", directory][..], &held].concat())
    };
    let intact = verify(&directory);
    checks.equal(format!("verify: {}", said(&intact)), &intact.status.code(), &Some(0));
    let proven = succeed("aasm", &["audit", "verify", "--proof", &proof, "--public-key", &public]);
    checks.that(proven.contains("/etc/shadow"), || format!("proof: {proven}"));

    let copy = kept.join("copy").display().to_string();
    succeed("cp", &["-r", &directory, &copy]);
    succeed(
        "sh",
        &["-c", &format!("sed -i s#/etc/shadow#/etc/shad_w# {copy}/audit-*.log")],
    );
    let changed = verify(&copy);
    checks.equal(
        format!("a changed copy: {}", said(&changed)),
        &changed.status.code(),
        &Some(1),
    );

    for name in ["audit-hmac.key", "audit-signing.key"] {
        let mode = succeed("stat", &["-c", "%a %U", &format!("/var/lib/aa-sensord/state/{name}")]);
        checks.equal(name, &mode.trim(), &"600 aa-gateway");
    }
}

/// The program ends right after its last denial, and its records may still be on their way.
fn the_last_line_of_a_run_counts_every_denial(guest: &Guest, checks: &mut Checks) {
    let tree = guest.tree("last-line");
    let secret = file_at(tree.join("secret"), "x").display().to_string();
    let open = tree.join("open").display().to_string();
    Act::ungoverned().ask(&format!("open-many {open} 0 30"));
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{secret}']}}\n");
    let policy = crate::act::policy_file("last-line", &body).display().to_string();
    for round in 0..10 {
        let run = ["run", "--work", "/srv/work", "--policy", &policy, "--"];
        let flood = [ACT, "flood", &open, "30", "30", &secret];
        let output = command("aasm", &[run.as_slice(), flood.as_slice()].concat());
        checks.contains(round, &said(&output), "aasm: 30 actions denied; the first: open-read");
    }
}
