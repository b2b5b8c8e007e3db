//! From what an agent did to a policy that lets it do that and no more.

use std::fs;
use std::time::{Duration, Instant};

use crate::guest::{Guest, command, file_at, said};
use crate::harness::{Checks, Test, tests};
use crate::plaintext::Server;

pub(crate) const TESTS: &[Test] = tests![what_was_recorded_makes_a_policy_under_which_it_works_and_attacks_fail];

const WORK: &str = r#"set -e
cd "$2"
cat /etc/hosts > copy
mkdir -p out
cp copy out/a
mv out/a out/b
ln -f out/b out/c
python3 -c 'import json, tempfile; tempfile.NamedTemporaryFile().write(json.dumps(1).encode())'
curl -sSk --fail -o answer "$1"
rm -r copy out answer
"#;

const ATTACKS: [&str; 8] = [
    "cat /etc/shadow",
    "cat ../secret",
    "echo x > /etc/aa-learned",
    "cp /bin/true /tmp/own && /tmp/own",
    "/usr/bin/openssl version",
    "curl -s --max-time 2 http://127.0.0.1:9",
    "cat /root/.ssh/id_ed25519",
    "python3 -c 'import socket; socket.create_connection((\"169.254.169.254\", 80), 2)'",
];

fn what_was_recorded_makes_a_policy_under_which_it_works_and_attacks_fail(guest: &Guest, checks: &mut Checks) {
    let server = Server::start(guest);
    let folder = guest.tree("learning");
    let work = folder.join("work");
    fs::create_dir_all(&work).unwrap();
    fs::create_dir_all("/root/.ssh").unwrap();
    file_at("/root/.ssh/id_ed25519", "a key");
    file_at(folder.join("secret"), "a secret");
    let script = file_at(work.join("work.sh"), WORK).display().to_string();
    let work = work.display().to_string();
    let url = format!("https://localhost:{}/v1/path", server.port);
    let run = |policy: &str, program: &[&str]| {
        let head = ["run", "--policy", policy, "--name", "pupil", "--work", &work, "--"];
        let output = command("aasm", &[&head, program].concat());
        (output.status.success(), said(&output))
    };
    let (well, told) = run("observe-all", &["sh", &script, &url, &work]);
    checks.that(well, || format!("observed: {told}"));
    let learn = [
        "policy", "learn", "pupil", "--agent", "pupil", "--home", "/root", "--work", &work,
    ];
    // The last of it may not be in the log yet.
    let begun = Instant::now();
    let mut text = String::new();
    loop {
        let output = command("aasm", &learn);
        let now = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && now == text || begun.elapsed() > Duration::from_secs(30) {
            checks.that(output.status.success(), || format!("learned: {}", said(&output)));
            break;
        }
        text = now;
        std::thread::sleep(Duration::from_secs(1));
    }
    let policy = file_at(folder.join("pupil.yaml"), &text).display().to_string();
    let (well, told) = run(&policy, &["sh", &script, &url, &work]);
    checks.that(well && !told.contains("denied"), || format!("{text}\nenforced: {told}"));
    for attack in ATTACKS {
        let (well, told) = run(&policy, &["sh", "-c", &format!("cd {work} && {attack}")]);
        checks.that(!well && told.contains("denied"), || format!("{attack}: {told}"));
    }
}
