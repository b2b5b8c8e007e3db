//! How far a long file is, on a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shorter files are done before anybody asks.
const WORTH: u64 = 256 << 20;
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    name: String,
    length: u64,
    passed: u64,
    shown: Option<Instant>,
    wanted: bool,
}

impl Progress {
    /// Of a file of so many bytes; 0 if nobody knows.
    pub(super) fn new(name: &str, length: u64) -> Self {
        Self {
            name: name.to_owned(),
            length,
            passed: 0,
            shown: None,
            wanted: length >= WORTH && std::io::stderr().is_terminal() && !std::io::stdout().is_terminal(),
        }
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        if !self.wanted || self.shown.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let share = self.passed.saturating_mul(100) / self.length.max(1);
        let line = format!(
            "\r{}: {} of {} MiB, {share} %",
            self.name,
            self.passed >> 20,
            self.length >> 20
        );
        // Whether it is seen makes no difference.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.shown.is_some() {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
