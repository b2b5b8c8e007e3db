//! What is refused before anything changes: policies that cannot be used, and kernels that cannot enforce.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::act::{Act, policy_file};
use crate::guest::{ACT, Guest, command, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};

pub(crate) const POLICY_TESTS: &[Test] = tests![
    a_policy_with_errors_is_refused_with_every_error_underlined,
    a_policy_that_is_too_large_is_refused,
    a_refused_reload_keeps_the_old_policy_in_force,
    unknown_commands_and_policies_are_told_with_their_exit_codes,
];

pub(crate) const KERNEL_TESTS: &[Test] = tests![
    the_daemon_refused_this_kernel_with_cause_and_hint,
    doctor_names_what_to_change,
    nothing_claims_to_be_governed_here,
];

/// `aasm run` of a program that would leave a mark; the exit code, what was said, whether it ran.
fn run_marked(policy: &str, mark: &Path) -> (Option<i32>, String, bool) {
    // From an earlier run.
    let _ = fs::remove_file(mark);
    let output = Command::new("aasm")
        .args(["run", "--work", "/srv/work", "--policy", policy, "--", "touch"])
        .arg(mark)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), said(&output), mark.exists())
}

fn a_policy_with_errors_is_refused_with_every_error_underlined(guest: &Guest, checks: &mut Checks) {
    let mark = guest.tree("errors").join("mark");
    let before = policies_in_force();
    let cases = [
        ("unknown-key", "colour: red\n", &["colour", "^"][..]),
        ("unknown-verdict", "net: {permit: [127.0.0.1]}\n", &["permit", "^"]),
        (
            "several",
            "net: {allow: [10.0.0.1/8]}\nfile: {red: {allow: [/x]}}\nexec: {allow: ['a/b']}\n",
            &["10.0.0.0/8", "red", "a/b", "^"],
        ),
        ("not-yaml", "net: {allow: [\n", &["^"]),
        ("not-yet", "net: {allow: [127.0.0.1]}\nspend: {}\n", &["spend", "hint"]),
        (
            "expect",
            "net: {allow: [127.0.0.1]}\nexpect: ['connect 127.0.0.1:80 -> deny']\n",
            &["expect", "^"],
        ),
    ];
    for (name, body, wanted) in cases {
        let file = policy_file(name, body).display().to_string();
        let (code, text, ran) = run_marked(&file, &mark);
        checks.equal(
            format!("aasm run with {name}: {text}"),
            &(code, ran),
            &(Some(65), false),
        );
        let check = command("aasm", &["policy", "check", &file]);
        checks.equal(format!("aasm policy check {name}"), &check.status.code(), &Some(65));
        let apply = command("aasm", &["policy", "apply", &file]);
        checks.equal(format!("aasm policy apply {name}"), &apply.status.code(), &Some(65));
        for told in [&text, &said(&check), &said(&apply)] {
            for word in wanted {
                checks.contains(name, told, word);
            }
        }
    }
    // One that only ended runs used may have gone meanwhile.
    let new: Vec<_> = policies_in_force().difference(&before).cloned().collect();
    checks.equal("policies that came into force", &new, &Vec::new());
}

fn policies_in_force() -> BTreeSet<String> {
    let status: aa_wire::status::Status = serde_json::from_str(&succeed("aasm", &["status", "--json"])).unwrap();
    let in_force = status
        .gateway
        .policies
        .into_iter()
        .filter(|policy| policy.slot.is_some());
    in_force.map(|policy| policy.name).collect()
}

fn a_policy_that_is_too_large_is_refused(guest: &Guest, checks: &mut Checks) {
    let mark = guest.tree("large").join("mark");
    // More bytes than a policy may have, and an automaton of more states than there is room for.
    let mut long = "net:\n  allow:\n".to_owned();
    for number in 0..60_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        // Writing to a string does not fail.
        let _ = writeln!(long, "    - 10.{a}.{b}.{c}:443/tcp");
    }
    let explosive = format!("file:\n  read: {{allow: ['/**/*a{}']}}\n", "?".repeat(24));
    for (name, body) in [("long", long), ("explosive", explosive)] {
        let file = policy_file(name, &body).display().to_string();
        let (code, text, ran) = run_marked(&file, &mark);
        checks.equal(format!("{name}: {text}"), &(code, ran), &(Some(65), false));
        checks.contains(name, &text, "error");
        checks.contains(name, &text, "hint");
    }
    checks.that(command("aasm", &["status"]).status.success(), || {
        "aasm status fails afterwards".to_owned()
    });
}

fn a_refused_reload_keeps_the_old_policy_in_force(guest: &Guest, checks: &mut Checks) {
    let secret = file_at(guest.tree("kept").join("secret"), "x");
    let program = format!("{}/act-kept", crate::guest::PROGRAMS);
    fs::copy(ACT, &program).unwrap();
    let head = format!("policy: kept\nversion: 1\ngoverns: [{{exec: {program}}}]\n");
    let body = format!("file:\n  read: {{allow: [/**], deny: ['{}']}}\n", secret.display());
    let file = file_at("/run/aa-guest-test/kept.yaml", &format!("{head}{body}"))
        .display()
        .to_string();
    succeed("aasm", &["policy", "apply", &file]);
    let mut act = Act::ungoverned_as(&program);
    let line = format!("open-read {}", secret.display());
    checks.equal("before", &act.ask(&line).as_str(), &"errno EPERM");
    fs::write(&file, format!("{head}file:\n  read: {{allow: [/**, bad]}}\n")).unwrap();
    let output = command("aasm", &["policy", "apply", &file]);
    checks.equal("exit code", &output.status.code(), &Some(65));
    checks.equal("after", &act.ask(&line).as_str(), &"errno EPERM");
    checks.equal("what is allowed", &act.ask("open-read /etc/passwd").as_str(), &"ok");
}

fn unknown_commands_and_policies_are_told_with_their_exit_codes(guest: &Guest, checks: &mut Checks) {
    let mark = guest.tree("unknown").join("mark");
    let (code, text, ran) = run_marked("no-such-policy", &mark);
    checks.equal(format!("unknown policy: {text}"), &(code, ran), &(Some(65), false));
    checks.equal(
        "unknown command",
        &command("aasm", &["frobnicate"]).status.code(),
        &Some(64),
    );
    checks.equal(
        "missing program",
        &command("aasm", &["run", "--work", "/srv/work", "--policy", "lockdown"])
            .status
            .code(),
        &Some(64),
    );
    let good = policy_file(
        "good",
        "net: {allow: [127.0.0.1]}\nfile: {read: {allow: [/**]}, write: {allow: [/tmp/**]}}\nexec: {allow: [/usr/**]}\n",
    );
    let good = good.display().to_string();
    checks.equal(
        "aasm policy check",
        &command("aasm", &["policy", "check", &good]).status.code(),
        &Some(0),
    );
    let explained = succeed("aasm", &["policy", "explain", &good, "connect", "127.0.0.2:80"]);
    checks.contains("aasm policy explain", &explained, "deny");
}

fn daemon_log() -> String {
    fs::read_to_string("/run/aa-vmtest/daemon.log").unwrap_or_default()
}

fn the_daemon_refused_this_kernel_with_cause_and_hint(guest: &Guest, checks: &mut Checks) {
    let refusal = guest.expectations.refusal.as_ref().unwrap();
    let log = daemon_log();
    for word in ["error:", "cause:", "hint:", &refusal.cause, &refusal.change] {
        checks.contains("the daemon's log", &log, word);
    }
    let left = command("bpftool", &["prog", "list"]);
    checks.that(!said(&left).contains("judge_"), || {
        "programs were left in the kernel".to_owned()
    });
    checks.that(!Path::new("/sys/fs/bpf/aa-sensord/judge_open").exists(), || {
        "pins were left".to_owned()
    });
}

fn doctor_names_what_to_change(guest: &Guest, checks: &mut Checks) {
    let refusal = guest.expectations.refusal.as_ref().unwrap();
    let output = command("aasm", &["doctor"]);
    checks.equal(
        format!("aasm doctor: {}", said(&output)),
        &output.status.code(),
        &Some(69),
    );
    let change = refusal.doctor.as_ref().unwrap_or(&refusal.change);
    checks.contains("aasm doctor", &said(&output), change);
    let json = command("aasm", &["doctor", "--json"]);
    checks.that(
        serde_json::from_slice::<serde_json::Value>(&json.stdout).is_ok(),
        || format!("not JSON: {}", said(&json)),
    );
}

fn nothing_claims_to_be_governed_here(guest: &Guest, checks: &mut Checks) {
    let mark = guest.tree("refused").join("mark");
    let file = policy_file("refused", "file:\n  read: {default: allow}\n")
        .display()
        .to_string();
    let (code, text, ran) = run_marked(&file, &mark);
    checks.equal(format!("aasm run: {text}"), &(code, ran), &(Some(69), false));
    checks.contains("aasm run", &text, "hint");
    checks.equal("aasm status", &command("aasm", &["status"]).status.code(), &Some(69));
}
