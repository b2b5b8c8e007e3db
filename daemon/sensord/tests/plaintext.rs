//! What programs say inside TLS is seen, every byte of it in both directions, by the daemon on this very machine: one
//! runtime after another against a local server. What is not installed is named, and not tested.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod daemon;

use std::process::Stdio;

use daemon::scene::{ASKED, OBSERVES, SENT, Scene, contents};
use daemon::server::{Server, installed, script};
use daemon::{Daemon, text, unfit};

/// A daemon whose programs are never read.
fn with_a_silent_prober() -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let prober = folder.path().join("prober");
    std::fs::write(&prober, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&prober, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (Daemon::start_with(&format!("prober = '{}'", prober.display())), folder)
}

/// Its successor here has other programs: those of the dead one are in a namespace that ended.
#[test]
fn an_agent_left_standing_by_a_sensor_that_died_goes_on() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let (mut daemon, _folder) = with_a_silent_prober();
    let policy = daemon.policy(OBSERVES);
    let mut run = daemon.command(&["run", "--policy", &policy, "--", "sleep", "2"]);
    let mut run = run.stderr(Stdio::null()).spawn().unwrap();
    let note = daemon.folder.path().join("run/standing");
    daemon.until("it stands", || {
        std::fs::read_to_string(&note).is_ok_and(|note| !note.is_empty())
    });
    daemon.die();
    let goes_on = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        run.try_wait().unwrap().is_some()
    });
    if !goes_on {
        run.kill().unwrap();
    }
    assert!(goes_on);
}

#[test]
fn a_program_that_cannot_be_read_goes_on_and_is_told_as_blind() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let (daemon, _folder) = with_a_silent_prober();
    let policy = daemon.policy(OBSERVES);
    let mut run = daemon.command(&["run", "--policy", &policy, "--", "sleep", "4"]);
    let begun = std::time::Instant::now();
    let mut run = run.stderr(Stdio::null()).spawn().unwrap();
    let coverage = || text(&daemon.aasm(&["status", "--tls", "--json"]).stdout);
    daemon.until("it is told", || coverage().contains("took too long"));
    assert!(run.wait().unwrap().success());
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(40),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn every_byte_that_runtimes_say_inside_tls_is_seen() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    if !installed("openssl") || !installed("python3") {
        return;
    }
    let (scene, server) = (Scene::new(OBSERVES), Server::start("python3", "server.py"));
    let url = server.url("v1/path");
    let sent = scene.body("body", "s".repeat(usize::try_from(SENT).unwrap()).as_bytes());
    let (body, sent, asked) = (contents(&sent), sent.display().to_string(), ASKED.to_string());
    let header = format!("x-answer: {ASKED}");
    scene.is_seen(
        "curl",
        &[
            "curl",
            "-sk",
            "-o",
            "/dev/null",
            "-H",
            &header,
            "-H",
            "expect:",
            "--data-binary",
            &body,
            &url,
        ],
    );
    scene.is_seen(
        "python, blocking",
        &["python3", &script("blocking.py"), &url, &sent, &asked],
    );
    scene.is_seen(
        "python, asyncio",
        &["python3", &script("asynchronous.py"), &url, &sent, &asked],
    );
    scene.is_seen("BIO_f_ssl", &["python3", &script("bio.py"), &url, &sent, &asked]);
    scene.is_seen("openssl s_client", &["sh", &script("s_client.sh"), &url, &sent, &asked]);
    if installed("wget") {
        let file = format!("--post-file={sent}");
        let header = format!("--header={header}");
        scene.is_seen(
            "wget",
            &[
                "wget",
                "-q",
                "--no-check-certificate",
                "-O",
                "/dev/null",
                &header,
                &file,
                &url,
            ],
        );
    }
    if installed("node") {
        node_is_seen(&scene, &url, &sent);
    }
}

fn node_is_seen(scene: &Scene, url: &str, sent: &str) {
    let (body, asked) = (format!("@{sent}"), ASKED.to_string());
    let header = format!("x-answer: {ASKED}");
    scene.is_seen("node, https", &["node", &script("https.mjs"), url, sent, &asked]);
    scene.is_seen("node, fetch", &["node", &script("fetch.mjs"), url, sent, &asked]);
    let server = Server::start("node", "server.mjs");
    let url = server.url("v1/path");
    scene.is_seen("node, HTTP/2", &["node", &script("h2.mjs"), &url, sent, &asked]);
    scene.is_seen(
        "curl, HTTP/2",
        &[
            "curl",
            "-sk",
            "--http2",
            "-o",
            "/dev/null",
            "-H",
            &header,
            "--data-binary",
            &body,
            &url,
        ],
    );
}
