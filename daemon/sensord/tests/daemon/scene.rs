//! A daemon, a policy, and what programs say under it.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "all of it is a test")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::server::Server;
use super::{Daemon, text};

/// A key of no account, of a class that is blocked.
pub(crate) const KEY: &str = "AKIAQ3EGRIJ2XKF7ZB5D";
/// Every secret is blocked, all else passes.
pub(crate) const BLOCKS: &str = "default: allow\nnet: {}\ndata: {block: [secret, private-key]}";
/// Everything passes.
pub(crate) const OBSERVES: &str = "mode: observe\ndefault: allow\nnet: {}";
/// Sent and asked for: several TLS records and several calls, and cut in the midst of both.
pub(crate) const SENT: u64 = 300_007;
pub(crate) const ASKED: u64 = 150_001;

pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    policy: String,
}

/// How a program ended, and what was told of it.
struct Outcome {
    ended_well: bool,
    events: Vec<Value>,
    told: String,
}

impl Scene {
    pub(crate) fn new(sections: &str) -> Self {
        let daemon = Daemon::start();
        let policy = daemon.policy(sections);
        Self { daemon, policy }
    }

    /// A file to be sent.
    pub(crate) fn body(&self, name: &str, body: &[u8]) -> PathBuf {
        let path = self.daemon.folder.path().join(name);
        std::fs::write(&path, body).unwrap();
        path
    }

    fn watch(&self, command: &[&str]) -> Outcome {
        let mut watch = self
            .daemon
            .command(&["watch", "--json", "--policy", &self.policy, "--"]);
        // Node's way to trust any certificate; and who was called by `sudo` is nobody here.
        watch
            .args(command)
            .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
            .env_remove("SUDO_USER");
        let output = watch.output().unwrap();
        let told = text(&output.stderr);
        let events = told.lines().filter_map(|line| serde_json::from_str(line).ok());
        Outcome {
            ended_well: output.status.success(),
            events: events.collect(),
            told,
        }
    }

    /// One request of [`SENT`] bytes and its answer of [`ASKED`] are seen whole.
    pub(crate) fn is_seen(&self, name: &str, command: &[&str]) {
        let outcome = self.watch(command);
        assert!(outcome.ended_well, "{name}: {}", outcome.told);
        let exchanges: Vec<&Value> = outcome.events.iter().map(|event| &event["exchange"]).collect();
        let exchanges: Vec<&Value> = exchanges.into_iter().filter(|exchange| !exchange.is_null()).collect();
        let [exchange] = exchanges.as_slice() else {
            panic!("{name}: {exchanges:#?}")
        };
        let count = |field: &str| exchange[field].as_u64();
        assert_eq!(count("request_bytes"), Some(SENT), "{name}: {exchange:#}");
        assert_eq!(count("answer_bytes"), Some(ASKED), "{name}: {exchange:#}");
        assert_eq!(count("status"), Some(200), "{name}: {exchange:#}");
        assert_eq!(exchange["doubts"], Value::Null, "{name}: {exchange:#}");
        eprintln!("{name}: every byte seen");
    }

    /// Nothing of the key arrives, and the record says what was found, and not what it is.
    pub(crate) fn is_blocked(&self, name: &str, server: &Server, command: &[&str]) {
        let outcome = self.watch(command);
        assert!(!arrived(server, KEY), "{name}: it arrived: {}", outcome.told);
        assert!(!outcome.ended_well, "{name}: {}", outcome.told);
        let denied: Vec<&Value> = outcome.denied().collect();
        let [denied] = denied.as_slice() else {
            panic!("{name}: {}", outcome.told)
        };
        assert_eq!(denied["effect"], "killed", "{name}: {denied:#}");
        assert_eq!(denied["rule"]["section"], "data.block", "{name}: {denied:#}");
        let found = &denied["exchange"]["secrets"][0]["kind"];
        assert_eq!(found, "aws-access-key-id", "{name}: {denied:#}");
        assert!(!outcome.told.contains(KEY), "{name}");
        eprintln!("{name}: blocked");
    }

    /// It arrives, and of what was sent nothing was seen, which is told.
    #[allow(dead_code, reason = "not by all tests")]
    pub(crate) fn is_blind(&self, name: &str, server: &Server, command: &[&str], mark: &str) {
        let outcome = self.watch(command);
        assert!(outcome.ended_well && arrived(server, mark), "{name}: {}", outcome.told);
        let exchanges = outcome.events.iter().filter(|event| event["exchange"].is_object());
        assert_eq!(exchanges.count(), 0, "{name}: {}", outcome.told);
        let coverage = text(&self.daemon.aasm(&["status", "--tls", "--json"]).stdout);
        let coverage: Value = serde_json::from_str(&coverage).unwrap();
        let sockets = coverage["sockets"].as_array().unwrap().iter();
        let unseen = |socket: &&Value| socket["sent"].as_u64() > Some(0) && socket["said"] == 0;
        assert_eq!(sockets.filter(unseen).count(), 1, "{name}: {coverage:#}");
        eprintln!("{name}: told as blind");
    }

    pub(crate) fn arrives(&self, name: &str, server: &Server, command: &[&str], mark: &str) {
        let outcome = self.watch(command);
        let well = outcome.ended_well && arrived(server, mark);
        assert!(well && outcome.denied().next().is_none(), "{name}: {}", outcome.told);
        eprintln!("{name}: arrives");
    }
}

impl Outcome {
    fn denied(&self) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(|event| event["action"] == "send-data")
    }
}

fn arrived(server: &Server, mark: &str) -> bool {
    let received = server.received();
    received.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// curl's argument for the contents of a file.
pub(crate) fn contents(path: &Path) -> String {
    format!("@{}", path.display())
}
