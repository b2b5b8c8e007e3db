//! Servers of this machine, and programs that talk to them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes");
    folder.join(name).display().to_string()
}

pub(crate) fn installed(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", name])
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("NOT TESTED: {name} is not installed");
    }
    found
}

/// A server, with a certificate nobody trusts.
pub(crate) struct Server {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(program: &str, source: &str) -> Self {
        Self::start_with(program, source, &[])
    }

    /// With variables in its environment.
    pub(crate) fn start_with(program: &str, source: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate =
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost";
        let made = Command::new("sh")
            .args(["-c", certificate])
            .current_dir(&folder)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "{certificate}");
        let mut process = Command::new(program)
            .arg(script(source))
            .current_dir(&folder)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            process,
            port: line.trim().parse().unwrap(),
            folder,
        }
    }

    /// All that was posted.
    pub(crate) fn received(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("received")).unwrap_or_default()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
