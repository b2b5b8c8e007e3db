//! Secrets: kept, replaced and destroyed by who controls the daemon, shown to nobody, and out of reach of who is governed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aa_wire::Event;
use aa_wire::vault::{KeyRow, SecretRow};

use crate::act::policy_file;
use crate::crashes::{kill_those_alive, revive};
use crate::guest::{Guest, command, file_at, said, succeed};
use crate::harness::{Checks, Test, tests};
use crate::plaintext::{Server, run_by};

pub(crate) const TESTS: &[Test] = tests![
    a_secret_is_kept_replaced_and_destroyed_and_outlives_the_gateway,
    a_thousand_secrets_are_in_no_byte_that_the_daemon_writes,
    who_is_governed_gets_no_secret_and_changes_none,
    a_value_of_the_vault_is_not_sent_by_an_agent_that_came_by_it,
];

/// `aasm` with something on its standard input.
fn told(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("aasm")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may refuse before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn done(checks: &mut Checks, arguments: &[&str], input: &str) -> String {
    let output = told(arguments, input);
    let said = said(&output);
    checks.that(output.status.success(), || format!("{arguments:?}: {said}"));
    said
}

fn refused(checks: &mut Checks, arguments: &[&str], input: &str, code: &str) {
    let output = told(arguments, input);
    let said = said(&output);
    checks.that(!output.status.success(), || format!("{arguments:?} succeeded: {said}"));
    checks.contains(format!("{arguments:?}"), &said, &format!("code:  {code}"));
}

fn rows(name: &str) -> Vec<(u32, String)> {
    let rows: Vec<SecretRow> = serde_json::from_str(&succeed("aasm", &["secret", "list", "--json"])).unwrap();
    let own = rows.into_iter().filter(|row| row.name == name);
    own.map(|row| (row.version, row.state)).collect()
}

fn keys() -> Vec<KeyRow> {
    serde_json::from_str(&succeed("aasm", &["keys", "--json"])).unwrap()
}

fn a_secret_is_kept_replaced_and_destroyed_and_outlives_the_gateway(_: &Guest, checks: &mut Checks) {
    let set = [
        "secret",
        "set",
        "KEPT",
        "--agent",
        "claude",
        "--host",
        "*.example.com",
        "--expires",
        "90d",
    ];
    let said = done(checks, &set, "a value that is kept\n");
    checks.equal("set", &said.as_str(), &"KEPT version 1 is kept\n");
    refused(checks, &set, "another", "secret-exists");
    refused(checks, &["secret", "rotate", "NOT_THERE"], "another", "no-such-secret");
    refused(checks, &["secret", "set", "EMPTY"], "", "usage");
    done(checks, &["secret", "rotate", "KEPT"], "its next value");
    let expected = [(1, "superseded".to_owned()), (2, "current".to_owned())];
    checks.equal("versions", &rows("KEPT").as_slice(), &expected.as_slice());
    let who = done(checks, &["secret", "who", "KEPT"], "");
    checks.contains("who may use it", &who, "*.example.com");
    checks.contains("who did", &who, "nobody used it");

    let before = keys();
    done(checks, &["keys", "rotate", "vault-master"], "");
    done(checks, &["keys", "rotate", "vault-unlock"], "");
    refused(checks, &["keys", "rotate", "audit-signing"], "", "usage");
    checks.equal("keys", &keys().len(), &before.len());
    let unlock = keys().into_iter().find(|key| key.purpose == "vault-unlock");
    checks.that(
        unlock.is_some_and(|key| key.by_command && !key.note.contains("swapped")),
        || "the key's memory is not locked".to_owned(),
    );

    kill_those_alive(&["aa-gateway"]);
    revive();
    checks.equal("after a death", &rows("KEPT").as_slice(), &expected.as_slice());
    done(checks, &["secret", "revoke", "KEPT"], "");
    refused(checks, &["secret", "revoke", "KEPT"], "", "vault-failing");
    let states: Vec<String> = rows("KEPT").into_iter().map(|(_, state)| state).collect();
    checks.equal("revoked", &states, &vec!["revoked".to_owned(); 2]);

    let told = succeed("aasm", &["events", "--json", "-n", "10000"]);
    let told = told.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let told: Vec<String> = told.map(|event| event.action).collect();
    for action in [
        "secret-set",
        "secret-rotate",
        "secret-revoke",
        "key-rotate",
        "vault-change",
    ] {
        checks.that(told.iter().any(|one| one == action), || {
            format!("no record of {action}")
        });
    }
}

/// Two halves, so that the whole stands nowhere in this program.
fn planted(number: u32) -> String {
    format!("{}-{number:04}-{}", "PLANTED", "k7Wq2Zr9")
}

const MARKS: [&[u8]; 3] = [b"PLANTED-", b"504c414e5445442d", b"UExBTlRFRC"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn a_thousand_secrets_are_in_no_byte_that_the_daemon_writes(_: &Guest, checks: &mut Checks) {
    let line = |number| format!("PLANT_{number}='{}'\n", planted(number));
    let text = (0..1000).map(line).collect::<Vec<_>>().concat();
    let mut said = done(checks, &["secret", "import", "--agent", "*", "--host", "*"], &text);
    checks.equal("imported", &said.lines().count(), &1000);
    for number in 0..20 {
        let name = format!("PLANT_{number}");
        said += &done(checks, &["secret", "rotate", &name], &(planted(number) + "+"));
        said += &done(checks, &["secret", "revoke", &name, "--version", "1"], "");
    }
    // What goes wrong tells no value either, where a name should stand as well.
    let bad = [planted(1), format!("A='{}", planted(2)), format!("{}/=x", planted(3))];
    for text in bad {
        said += &String::from_utf8_lossy(&told(&["secret", "import"], &text).stderr);
    }
    said += &String::from_utf8_lossy(&told(&["secret", "set", &format!("{} ", planted(4))], "x").stderr);
    said += &done(checks, &["keys", "rotate", "vault-master"], "");
    for arguments in [
        &["secret", "list", "--all"][..],
        &["secret", "list", "--json"],
        &["secret", "who", "PLANT_1", "--json"],
        &["events", "-n", "10000"],
        &["events", "--json", "-n", "10000"],
        &["status", "--json"],
        &["keys"],
        &["audit", "export", "--format", "ocsf"],
    ] {
        said += &succeed("aasm", arguments);
    }
    let is_clean = |bytes: &[u8]| {
        !MARKS
            .iter()
            .any(|mark| bytes.windows(mark.len()).any(|window| window == *mark))
    };
    checks.that(!is_clean(planted(5).as_bytes()), || {
        "a planted value is not found".to_owned()
    });
    checks.that(is_clean(said.as_bytes()), || "a value was said".to_owned());
    let mut found = Vec::new();
    for folder in ["/var/lib/aa-sensord", "/run/aa-sensord", "/run/aa-vmtest", "/var/log"] {
        files(Path::new(folder), &mut found);
    }
    checks.that(found.iter().any(|path| path.ends_with("vault/db")), || {
        format!("no vault in {found:?}")
    });
    for path in found {
        let bytes = fs::read(&path).unwrap_or_default();
        checks.that(is_clean(&bytes), || format!("a value is in {}", path.display()));
    }
}

fn who_is_governed_gets_no_secret_and_changes_none(_: &Guest, checks: &mut Checks) {
    done(
        checks,
        &["secret", "set", "OUT_OF_REACH", "--agent", "*", "--host", "*"],
        "never told",
    );
    // Even where its policy lets it speak to the daemon, and it is root.
    let body = "default: allow\nnet: {allow: [\"unix:/run/aa-sensord/control.sock\"]}\n";
    let policy = policy_file("reaching", body).display().to_string();
    for arguments in [
        &["secret", "list"][..],
        &["secret", "who", "OUT_OF_REACH"],
        &["secret", "revoke", "OUT_OF_REACH"],
        &["keys"],
        &["keys", "rotate", "vault-master"],
    ] {
        let run = ["run", "--work", "/srv/work", "--policy", &policy, "--", "aasm"];
        let output = command("aasm", &[&run, arguments].concat());
        checks.equal(
            format!("{arguments:?}: {}", said(&output)),
            &output.status.code(),
            &Some(77),
        );
        checks.contains(format!("{arguments:?}"), &said(&output), "code:  governed");
    }
    checks.equal("its state", &rows("OUT_OF_REACH"), &vec![(1, "current".to_owned())]);
}

fn a_value_of_the_vault_is_not_sent_by_an_agent_that_came_by_it(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let url = format!("https://localhost:{}/v1/path", server.port);
    let policy = "policy: blocking\nversion: 1\ndefault: allow\nnet: {}\ndata: {block: [secret]}\n";
    let send = |mark: &str, text: &str| {
        let file = file_at(server.script("body"), &format!("{mark} {text}"))
            .display()
            .to_string();
        let program = [
            "curl",
            "-sSk",
            "-H",
            "expect:",
            "--data-binary",
            &format!("@{file}"),
            &url,
        ];
        let (_, _, denied) = run_by(policy, &server, &program);
        let received = fs::read(server.script("received")).unwrap_or_default();
        let arrived = received.windows(mark.len()).any(|window| window == mark.as_bytes());
        let exchange = denied.into_iter().find_map(|event| event.exchange);
        let kinds = exchange.map(|exchange| exchange.secrets.into_iter().map(|secret| secret.kind).collect());
        (arrived, kinds.unwrap_or_default())
    };
    // Nothing by its form that anybody would know.
    let value = "twelve green bottles";
    let nothing: Vec<String> = Vec::new();
    checks.equal(
        "before it is in the vault",
        &send("mark-1", value),
        &(true, nothing.clone()),
    );
    done(checks, &["secret", "set", "BOTTLES"], value);
    let named = vec!["vault/BOTTLES".to_owned()];
    checks.equal("as it is", &send("mark-2", value), &(false, named.clone()));
    let encoded = "dHdlbHZlIGdyZWVuIGJvdHRsZXM=";
    checks.equal("in base64", &send("mark-3", encoded), &(false, named.clone()));
    checks.equal("another", &send("mark-4", "eleven green bottles"), &(true, nothing));
    kill_those_alive(&["aa-gateway"]);
    revive();
    checks.equal("by the next gateway", &send("mark-5", value), &(false, named));
}
