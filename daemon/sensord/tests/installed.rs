//! What runtimes say that Debian does not ship: installed from npm, PyPI and crates.io for these tests, seen byte by byte, and kept from telling
//! a key. On this very machine.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod daemon;

use std::path::Path;
use std::process::Command;

use daemon::scene::{ASKED, BLOCKS, KEY, OBSERVES, SENT, Scene};
use daemon::server::{Server, installed, script};
use daemon::unfit;

/// Libraries of PyPI, as `clients.py` calls them.
const PYTHON: [&str; 5] = ["requests", "httpx", "httpx_async", "aiohttp", "uvloop"];

/// What of reqwest takes OpenSSL's headers to be built.
const NATIVE: [&str; 1] = ["native-tls"];

/// Programs by name: each takes a URL, a file to be posted, and how many bytes are to be answered.
struct Runtimes {
    programs: Vec<(String, Vec<String>)>,
    folder: tempfile::TempDir,
}

impl Runtimes {
    fn install() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        done(
            at,
            "npm",
            &[
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                ".",
                "bun",
                "deno",
                "ws",
            ],
        );
        done(at, "python3", &["-m", "venv", "python"]);
        done(
            at,
            "python/bin/pip",
            &["install", "--quiet", "requests", "httpx", "aiohttp", "uvloop"],
        );
        let inside = |path: &str| at.join(path).display().to_string();
        let (fetch, clients) = (script("fetch.mjs"), script("clients.py"));
        let bun = vec![inside("node_modules/.bin/bun"), "run".into(), fetch.clone()];
        let deno = ["run", "--allow-all", "--unsafely-ignore-certificate-errors"].map(String::from);
        let deno = [vec![inside("node_modules/.bin/deno")], deno.to_vec(), vec![fetch]].concat();
        let mut programs = vec![("bun".into(), bun), ("deno".into(), deno)];
        for library in PYTHON {
            let client = vec![inside("python/bin/python3"), clients.clone(), library.into()];
            programs.push((library.into(), client));
        }
        if installed("go") {
            let built = inside("post");
            done(at, "go", &["build", "-o", &built, &script("post.go")]);
            programs.push(("go".into(), vec![built]));
        }
        let client = reqwest(at);
        for library in NATIVE.iter().filter(|_| has_headers()).chain(&["aws-lc"]) {
            programs.push((format!("reqwest, {library}"), vec![client.clone(), (*library).into()]));
        }
        Self { programs, folder }
    }

    /// Each with the arguments for one POST.
    fn posting(&self, url: &str, body: &Path, asked: u64) -> Vec<(&str, Vec<String>)> {
        let arguments = [url.to_owned(), body.display().to_string(), asked.to_string()];
        let with = |command: &Vec<String>| [command.clone(), arguments.to_vec()].concat();
        let each = self.programs.iter();
        each.map(|(name, command)| (name.as_str(), with(command))).collect()
    }

    /// One that speaks HTTP/2 if the server does.
    fn by_http2(&self, url: &str, body: &Path, asked: u64) -> Option<Vec<String>> {
        let mut each = self.posting(url, body, asked).into_iter();
        each.find(|(name, _)| *name == "go").map(|(_, command)| command)
    }
}

/// OpenSSL's headers are there, which reqwest takes to be built on it.
fn has_headers() -> bool {
    installed("pkg-config")
        && Command::new("pkg-config")
            .args(["--exists", "openssl"])
            .status()
            .is_ok_and(|status| status.success())
}

/// A client of Rust, by the library that it is told.
fn reqwest(at: &Path) -> String {
    let folder = at.join("reqwest");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    for (from, to) in [("reqwest.toml", "Cargo.toml"), ("reqwest.rs", "src/main.rs")] {
        std::fs::copy(script(from), folder.join(to)).unwrap();
    }
    let features: &[&str] = if has_headers() {
        &["--features", "native-tls"]
    } else {
        &[]
    };
    done(
        &folder,
        "cargo",
        &[&["build", "--quiet", "--release"], features].concat(),
    );
    folder.join("target/release/post").display().to_string()
}

fn done(at: &Path, program: &str, arguments: &[&str]) {
    let path = at.join(program);
    let program = if path.exists() {
        path.as_os_str()
    } else {
        program.as_ref()
    };
    let status = Command::new(program).args(arguments).current_dir(at).status().unwrap();
    assert!(status.success(), "{} {arguments:?}", program.display());
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

/// The runtimes, a policy of these sections in force, and a server; none of it where this machine lacks what that takes.
fn prepared(sections: &str) -> Option<(Runtimes, Scene, Server)> {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return None;
    }
    let missing: Vec<_> = ["openssl", "python3", "node", "npm"]
        .into_iter()
        .filter(|name| !installed(name))
        .collect();
    if !missing.is_empty() {
        eprintln!("skipped 1 test: not installed: {}", missing.join(", "));
        return None;
    }
    Some((
        Runtimes::install(),
        Scene::new(sections),
        Server::start("python3", "server.py"),
    ))
}

#[test]
#[ignore = "installs from npm, PyPI and crates.io: make test-all"]
fn every_byte_of_installed_runtimes_is_seen() {
    let Some((runtimes, scene, server)) = prepared(OBSERVES) else {
        return;
    };
    let body = scene.body("body", "s".repeat(usize::try_from(SENT).unwrap()).as_bytes());
    for (name, command) in runtimes.posting(&server.url("v1/path"), &body, ASKED) {
        scene.is_seen(name, &words(&command));
    }
    let server = Server::start("node", "server.mjs");
    if let Some(command) = runtimes.by_http2(&server.url("v1/path"), &body, ASKED) {
        scene.is_seen("go, HTTP/2", &words(&command));
    }
}

/// What nobody reads is told as sent and not seen.
#[test]
#[ignore = "installs from crates.io: make test-all"]
fn ring_is_told_as_blind() {
    if let Some(why) = unfit() {
        eprintln!("skipped 1 test: {why}");
        return;
    }
    let (scene, server) = (Scene::new(OBSERVES), Server::start("python3", "server.py"));
    let folder = tempfile::tempdir().unwrap();
    let (client, body) = (reqwest(folder.path()), scene.body("body", b"ring-mark"));
    let url = server.url("v1/path");
    scene.is_blind(
        "ring",
        &server,
        &[&client, "ring", &url, &body.display().to_string(), "14"],
        "ring-mark",
    );
}

#[test]
#[ignore = "installs from npm, PyPI and crates.io: make test-all"]
fn what_a_policy_blocks_arrives_from_no_installed_runtime() {
    let Some((runtimes, scene, server)) = prepared(BLOCKS) else {
        return;
    };
    let url = server.url("v1/path");
    let filler = "s".repeat(50_000);
    let leak = scene.body("leak", format!("{filler} {KEY} ").as_bytes());
    let clean = scene.body("clean", format!("{filler} clean-mark").as_bytes());
    for (name, command) in runtimes.posting(&url, &clean, 14) {
        scene.arrives(name, &server, &words(&command), "clean-mark");
    }
    for (name, command) in runtimes.posting(&url, &leak, 14) {
        scene.is_blocked(name, &server, &words(&command));
    }
    let server = Server::start("node", "server.mjs");
    let url = server.url("v1/path");
    if let Some(command) = runtimes.by_http2(&url, &clean, 14) {
        scene.arrives("go, HTTP/2", &server, &words(&command), "clean-mark");
    }
    if let Some(command) = runtimes.by_http2(&url, &leak, 14) {
        scene.is_blocked("go, HTTP/2", &server, &words(&command));
    }
    let modules = format!("{}/", runtimes.folder.path().display());
    let server = Server::start_with("node", "echo.mjs", &[("MODULES", &modules)]);
    let (url, client) = (server.url("chat"), script("ws.mjs"));
    let url = url.replace("https:", "wss:");
    let [clean, leak] = [clean, leak].map(|path| path.display().to_string());
    scene.arrives("ws", &server, &["node", &client, &modules, &url, &clean], "clean-mark");
    scene.is_blocked("ws", &server, &["node", &client, &modules, &url, &leak]);
}
