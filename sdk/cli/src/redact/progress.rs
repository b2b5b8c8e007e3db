//! How far long input is, on a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shorter input is done before anybody asks.
const PATIENCE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    name: String,
    length: u64,
    passed: u64,
    begun: Instant,
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
            begun: Instant::now(),
            shown: None,
            wanted: std::io::stderr().is_terminal() && !std::io::stdout().is_terminal(),
        }
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        let due = self.shown.map_or(self.begun + PATIENCE, |last| last + EVERY);
        if !self.wanted || Instant::now() < due {
            return;
        }
        self.shown = Some(Instant::now());
        // Whether it is seen makes no difference.
        let _ = std::io::stderr().write_all(self.line().as_bytes());
    }

    fn line(&self) -> String {
        let (name, passed) = (&self.name, self.passed >> 20);
        match self.passed.saturating_mul(100).checked_div(self.length) {
            Some(share) => format!("\r{name}: {passed} of {} MiB, {share} %", self.length >> 20),
            None => format!("\r{name}: {passed} MiB"),
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.shown.is_some() {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_share_and_a_pipe_only_what_has_passed() {
        let mut file = Progress::new("x.log", 400 << 20);
        file.passed(100 << 20);
        assert_eq!(file.line(), "\rx.log: 100 of 400 MiB, 25 %");
        let mut pipe = Progress::new("-", 0);
        pipe.passed(100 << 20);
        assert_eq!(pipe.line(), "\r-: 100 MiB");
    }
}
