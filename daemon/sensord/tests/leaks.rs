//! What a policy blocks never reaches the server, whatever the runtime and wherever it stands, on this very machine: where no send
//! can be made to fail, the process ends before it encrypts the first byte. What is clean arrives.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod daemon;

use daemon::scene::{BLOCKS, KEY, Scene, contents};
use daemon::server::{Server, installed, script};
use daemon::{text, unfit};

fn post<'a>(url: &'a str, file: &'a str) -> Vec<&'a str> {
    vec![
        "curl",
        "-sk",
        "--fail",
        "-o",
        "/dev/null",
        "-H",
        "expect:",
        "--data-binary",
        file,
        url,
    ]
}

#[test]
fn what_a_policy_blocks_never_arrives_wherever_it_stands() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    if !installed("openssl") || !installed("python3") {
        return;
    }
    let (scene, server) = (Scene::new(BLOCKS), Server::start("python3", "server.py"));
    let url = server.url("v1/path");
    let filler = "s".repeat(300_000);
    let clean = contents(&scene.body("clean", format!("{filler}clean-mark").as_bytes()));
    scene.arrives("clean", &server, &post(&url, &clean), "clean-mark");
    for (name, body) in [
        ("at the start", format!("{{\"key\": \"{KEY}\"}}{filler}")),
        ("at the end", format!("{filler} {KEY}")),
        ("at byte 8,000,000", format!("{} {KEY} {filler}", "s".repeat(8_000_000))),
        ("between two records", format!("{} {KEY} {filler}", "s".repeat(16_370))),
    ] {
        let file = contents(&scene.body("body", body.as_bytes()));
        scene.is_blocked(name, &server, &post(&url, &file));
    }
    let header = format!("x-note: {KEY}");
    scene.is_blocked(
        "in a header",
        &server,
        &["curl", "-sk", "-o", "/dev/null", "-H", &header, &url],
    );
    let (half, rest) = KEY.split_at(9);
    let pieces =
        format!("(printf 'a %s' {half}; sleep 0.5; printf '%s b' {rest}) | curl -sk -H expect: -T - -X POST {url}");
    scene.is_blocked("in two writes", &server, &["bash", "-o", "pipefail", "-c", &pieces]);
    let packed = format!(
        "gzip -c {} > {{}}.gz",
        scene.body("plain", format!("{filler} {KEY}").as_bytes()).display()
    );
    let gzip = scene.daemon.folder.path().join("packed");
    let packed = packed.replace("{}", &gzip.display().to_string());
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &packed])
            .status()
            .unwrap()
            .success()
    );
    let file = format!("@{}.gz", gzip.display());
    let mut compressed = post(&url, &file);
    compressed.extend(["-H", "content-encoding: gzip"]);
    scene.is_blocked("in gzip", &server, &compressed);
    let status = text(&scene.daemon.aasm(&["status"]).stdout);
    assert!(!status.contains("not healthy"), "{status}");
}

#[test]
fn what_a_policy_blocks_arrives_from_no_runtime() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    if !installed("openssl") || !installed("python3") {
        return;
    }
    let (scene, server) = (Scene::new(BLOCKS), Server::start("python3", "server.py"));
    let url = server.url("v1/path");
    let leak = scene.body("leak", format!("{} {KEY} ", "s".repeat(50_000)).as_bytes());
    let clean = scene.body("clean", format!("{} clean-mark", "s".repeat(50_000)).as_bytes());
    let (leak, clean) = (leak.display().to_string(), clean.display().to_string());
    for name in ["blocking.py", "asynchronous.py", "bio.py"] {
        scene.arrives(
            name,
            &server,
            &["python3", &script(name), &url, &clean, "14"],
            "clean-mark",
        );
        scene.is_blocked(name, &server, &["python3", &script(name), &url, &leak, "14"]);
    }
    of_the_shell(&scene, &server, &url, [&clean, &leak]);
    if installed("wget") {
        let [clean, leak] = [&clean, &leak].map(|file| format!("--post-file={file}"));
        let with = ["wget", "-q", "--tries=1", "--no-check-certificate", "-O", "/dev/null"];
        scene.arrives("wget", &server, &[&with[..], &[&clean, &url]].concat(), "clean-mark");
        scene.is_blocked("wget", &server, &[&with[..], &[&leak, &url]].concat());
    }
    if !installed("node") {
        return;
    }
    for name in ["https.mjs", "fetch.mjs"] {
        scene.arrives(
            name,
            &server,
            &["node", &script(name), &url, &clean, "14"],
            "clean-mark",
        );
        scene.is_blocked(name, &server, &["node", &script(name), &url, &leak, "14"]);
    }
    let server = Server::start("node", "server.mjs");
    let url = server.url("v1/path");
    scene.arrives(
        "h2.mjs",
        &server,
        &["node", &script("h2.mjs"), &url, &clean, "14"],
        "clean-mark",
    );
    scene.is_blocked("h2.mjs", &server, &["node", &script("h2.mjs"), &url, &leak, "14"]);
    let [clean, leak] = [clean, leak].map(|file| format!("@{file}"));
    let with = ["curl", "-sk", "-o", "/dev/null", "--http2", "--data-binary"];
    scene.arrives(
        "curl, HTTP/2",
        &server,
        &[&with[..], &[&clean, &url]].concat(),
        "clean-mark",
    );
    scene.is_blocked("curl, HTTP/2", &server, &[&with[..], &[&leak, &url]].concat());
}

/// Programs that a shell starts.
fn of_the_shell(scene: &Scene, server: &Server, url: &str, [clean, leak]: [&str; 2]) {
    let s_client = script("s_client.sh");
    scene.arrives("s_client", server, &["sh", &s_client, url, clean, "14"], "clean-mark");
    scene.is_blocked("s_client", server, &["sh", &s_client, url, leak, "14"]);
    if installed("git") {
        let [clean, leak] = ["git-mark", KEY].map(|note| format!("http.extraHeader=x-note: {note}"));
        let with = [
            "git",
            "-c",
            "http.sslVerify=false",
            "-c",
            "http.extraHeader=x-answer: 0",
            "-c",
        ];
        scene.arrives(
            "git",
            server,
            &[&with[..], &[&clean, "ls-remote", url]].concat(),
            "git-mark",
        );
        scene.is_blocked("git", server, &[&with[..], &[&leak, "ls-remote", url]].concat());
    }
}
